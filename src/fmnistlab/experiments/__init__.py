"""Whole experiments: one training with its run folder, and whether it can be repeated."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
