"""What torch imports when its first optimizer is made: a second that each fork would spend anew."""

from __future__ import annotations

import importlib


def preload() -> None:
    """Imports it here, before any fork."""
    importlib.import_module("torch._dynamo")
