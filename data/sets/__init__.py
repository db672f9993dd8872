"""Datasets by name: the registry, downloads, and the store of prepared ratings."""
