"""Saved runs: the experiment that describes one, its training, and what it predicts."""
