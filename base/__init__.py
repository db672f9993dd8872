"""Shared basics: files, YAML with line numbers, strict values, messages, interrupts."""
