"""Hugging Face folders: what their configs say about use, read as claims, and the adapter that runs them."""
