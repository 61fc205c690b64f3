"""Checks for people who write models or callbacks; our own tests use them on our own.

In a test of yours::

    from fmnistlab import testing

    def test_my_model_keeps_the_contract():
        testing.check_model("mine")
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
