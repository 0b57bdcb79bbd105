"""The proxy as a process: signals, the service manager and its sockets, the interpreter, memory."""
