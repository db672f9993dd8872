"""Readers of files with ratings, films and pairs, in every known format."""
