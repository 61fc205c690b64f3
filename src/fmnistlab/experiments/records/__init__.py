"""The files of a run folder: what each holds, how it is read, and how two differ."""
