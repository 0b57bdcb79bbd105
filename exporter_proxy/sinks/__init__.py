"""Whatever carries the table elsewhere; each module is one sink."""
