"""Running the pipeline on this machine: paths, lock, runner, and what the terminal shows."""
