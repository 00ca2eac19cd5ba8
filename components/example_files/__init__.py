"""Files of Examples: TFRecords that steps hand on."""
