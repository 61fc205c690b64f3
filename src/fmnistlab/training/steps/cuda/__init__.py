"""Training steps on a GPU that are captured or stacked; asked for by name."""
