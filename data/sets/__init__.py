"""Datasets by name: the registry, downloads, and ratings prepared for fast opening."""
