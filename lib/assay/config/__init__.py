"""Experiment and recipe files: read, checked, described; nothing here runs anything."""
