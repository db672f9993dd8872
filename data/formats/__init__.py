"""Readers of ratings, film and pair files, which check every line."""
