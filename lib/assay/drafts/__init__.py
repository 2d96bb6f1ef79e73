"""Adapters drafted from a watched run of upstream's own entrypoint, cut at the model's call."""
