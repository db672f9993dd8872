"""Where studies live: the database, artifacts, locks, and the records of trials."""
