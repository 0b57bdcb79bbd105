"""The preset for the log of an rsync daemon."""
