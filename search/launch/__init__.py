"""Starts a study: in this process, in several, or on a Ray cluster."""
