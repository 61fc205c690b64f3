"""Judgement of data: equal and near images, drift, candidates for wrong labels.

Public names are in `__init__.pyi` beside this file.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
