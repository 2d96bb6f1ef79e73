"""What runs stages: doit today."""
