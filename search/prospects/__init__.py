"""What the trials of a study say about those that have not run: a surrogate and its forecasts."""
