"""A training step recorded once and replayed: less work around the same arithmetic."""
