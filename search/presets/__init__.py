"""Machines by name: what a study's batch sizes, precision and price are on each."""
