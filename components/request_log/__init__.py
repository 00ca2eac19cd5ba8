"""What was asked and answered, kept for as long as somebody said."""
