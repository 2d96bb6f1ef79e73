"""Upstream's own entrypoint as the witness: how it is started, and what a watched run of it shows."""
