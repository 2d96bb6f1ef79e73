"""Claims: what is known about a model's use, who says so, and on what evidence."""
