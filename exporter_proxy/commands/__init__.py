"""The sub-commands, one module each; what a command needs is loaded when it runs."""
