"""The table on disk: what survives a restart and `kill -9`; loaded only where it is turned on."""
