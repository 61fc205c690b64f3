"""What the files of a run folder hold: written, read, and compared."""
