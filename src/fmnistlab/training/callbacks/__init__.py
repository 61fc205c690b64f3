"""Who watches a fit, and what they are shown."""
