"""Searches: many trials of other settings, judged on validation data, and the winner anew."""
