"""Third-party parts in the trainer, each compared with a loop written by hand.

A part is an optimizer, a layer, a loss, a loader, a hook, or what people do in a callback. For
each there is one row: the trainer must do with it what the loop in `by_hand.py` does, or refuse it
by name before the first step. `python -m tests.parts` writes what comes out into docs/trainer.md.
"""
