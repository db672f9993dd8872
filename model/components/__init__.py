"""Building blocks of architectures: base classes, posteriors, heads, the likelihood."""
