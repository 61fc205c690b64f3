"""Drills: faults put in on purpose, and how often the package stood them."""
