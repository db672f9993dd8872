"""Messages to people: where they go, and how they get there."""
