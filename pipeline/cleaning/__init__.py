"""Room in a workspace and in a bucket: what nothing needs any more is named, then removed."""
