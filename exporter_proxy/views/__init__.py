"""Whatever reads the table over HTTP; each module is one view."""
