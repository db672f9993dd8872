"""Variational autoencoders for ratings: configs, models, training. The only home of torch."""
