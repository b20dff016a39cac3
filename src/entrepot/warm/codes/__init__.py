"""What enters a run that begins from shared modules: the bytecode of its own."""
