"""What a person sees: tables, values, the live view, and example commands."""
