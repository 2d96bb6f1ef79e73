"""The worker: code run by the model's own interpreter. It imports nothing of assay."""
