"""Exposition text -> page. Pure: no I/O, no clock."""
