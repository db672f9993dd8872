"""Splits into train, validation and a sealed test part, and the ledger of its openings."""
