"""The run-time type checker that holds every call in the tests to its annotations."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a fine float (PEP 484)
