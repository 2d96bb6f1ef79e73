"""Which interpreter runs a model, and what is installed there, without starting it."""
