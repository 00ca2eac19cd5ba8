"""What a run tells: its report, its table in the terminal, the versions it was made with."""
