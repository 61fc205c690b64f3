"""A training step that is recorded once and replayed on the CPU."""
