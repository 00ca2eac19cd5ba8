"""What each step of the pipeline does. May import `agnews.schemas` only."""
