"""Upstream's code: fetched or copied as plain files, read and never run."""
