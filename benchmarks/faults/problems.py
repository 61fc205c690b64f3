"""What keeps a candidate from being tested, which is no fault of the candidate."""

from __future__ import annotations


class NotPossibleError(Exception):
    """This machine lacks what the test needs; the text says what."""


class HarnessError(Exception):
    """The test itself does not work, since the candidate fails without any fault put in."""
