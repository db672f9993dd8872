"""Commands that read what studies found."""
