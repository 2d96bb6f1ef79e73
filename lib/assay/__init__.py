"""A Make-style system that turns a model checkpoint into evidence and two reports."""

VERSION = "0.1.0"
