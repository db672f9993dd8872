"""Listeners of a study's events: notifications and trackers."""
