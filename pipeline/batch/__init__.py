"""`agnews batch`, but for its command line."""
