"""The best trials, trained again with other seeds and splits."""
