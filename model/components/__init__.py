"""What architectures are made of: base classes, posteriors, heads, the likelihood."""
