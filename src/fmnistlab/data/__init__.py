"""The data: file to validated arrays to data set to batches."""
