"""Hyperparameter search for variational autoencoders that predict MovieLens ratings."""

__version__ = "0.1.0"
