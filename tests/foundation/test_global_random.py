from __future__ import annotations

import json
import random

import numpy as np
import torch

from fmnistlab.foundation.global_random import (
    RandomStates,
    isolated_randomness,
    random_states,
    restore_random_states,
    seed_all,
)


def drawn() -> list[float]:
    """Numbers from all three generators; a gauss leaves one behind in Python's and numpy's."""
    old = np.random.standard_normal()  # noqa: NPY002 - the global one is meant
    return [float(torch.rand(())), random.random(), random.gauss(0, 1), float(old)]


def test_isolated_randomness_leaves_no_trace() -> None:
    seed_all(5)
    expected = drawn()
    seed_all(5)
    with isolated_randomness(1):
        inside = drawn()
    assert drawn() == expected
    with isolated_randomness(1, torch.device("cpu")):
        assert drawn() == inside
    assert inside != expected


def test_isolated_randomness_ends_with_an_error_too() -> None:
    seed_all(5)
    expected = drawn()
    seed_all(5)
    try:
        with isolated_randomness(1):
            drawn()
            raise ValueError
    except ValueError:
        assert drawn() == expected


def test_states_survive_a_file() -> None:
    seed_all(2**62 + 7)
    drawn()
    states = random_states()
    expected = drawn()
    read = RandomStates(states.torch.clone(), None, json.loads(json.dumps(states.others)))
    drawn()
    restore_random_states(read)
    assert drawn() == expected
