"""Tells people and programs what became of a run; nothing that fails here fails a run."""
