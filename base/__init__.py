"""What every room stands on: files, YAML with line numbers, strict values, messages, interrupts."""
