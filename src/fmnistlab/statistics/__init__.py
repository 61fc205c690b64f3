"""Numbers to intervals, tests and verdicts; no torch, no files."""
