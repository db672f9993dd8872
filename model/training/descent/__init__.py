"""Fits by gradient descent: the optimiser step, its schedules, and what it sums up."""
