"""Experiment trackers: each trial of a study as a run."""
