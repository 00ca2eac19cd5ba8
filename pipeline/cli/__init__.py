"""The command line `agnews`."""
