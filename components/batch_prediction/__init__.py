"""Answers for files of any size on Beam: planned in shards, each done once, so that a killed run can go on."""
