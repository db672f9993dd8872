"""Trials on the terminal: one a line, in full, and two next to each other."""
