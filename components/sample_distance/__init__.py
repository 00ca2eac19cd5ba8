"""How far two samples of rows are apart, and what chance makes of that: training, test and last pushed rows."""
