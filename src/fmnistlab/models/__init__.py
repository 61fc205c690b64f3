"""The models: a registry, the two built-in ones, a summary."""
