"""Whatever writes the table; each module is one source."""
