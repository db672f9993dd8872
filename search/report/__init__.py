"""A study as one page to read or to send."""
