"""Lines of a log -> events -> metrics; no I/O, no clock, no event loop."""
