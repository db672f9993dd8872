"""Models of ratings: VAEs and baselines, their training and evaluation. The only home of torch."""
