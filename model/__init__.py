"""Models of ratings, VAEs and baselines: configs, training, serving. The only home of torch."""
