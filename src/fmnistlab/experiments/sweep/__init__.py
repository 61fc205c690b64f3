"""Many trainings: what is varied, what is missing, and one after the other or side by side."""
