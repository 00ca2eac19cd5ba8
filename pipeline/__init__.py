"""The pipeline as a whole: its graph, its paths, its local runner and the command line."""
