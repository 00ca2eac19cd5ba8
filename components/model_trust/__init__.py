"""What a model of a stranger may do on this machine."""
