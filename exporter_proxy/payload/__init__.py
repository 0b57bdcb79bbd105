"""Bytes on a wire -> application name and exposition text. Pure: no I/O, no clock."""
