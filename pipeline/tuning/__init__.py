"""`agnews tune`: prepares rows once, tries settings on them, and writes the best as a configuration."""
