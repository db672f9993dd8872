"""Combines runs: weights fitted on validation ratings, saved as a run of its own."""
