"""The proxy as a whole, tried with the programs that people use with it."""
