"""Metrics besides loss and accuracy: by name, as a function, as an object of torchmetrics."""
