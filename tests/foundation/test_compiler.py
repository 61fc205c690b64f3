"""torch's compiler is left alone until it is needed, and no user can tell the difference."""

from __future__ import annotations

import functools
import subprocess
import sys
from typing import Any

import pytest
import torch

from fmnistlab.foundation.compiler import compiler_left_out

METHODS = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")

BEGIN = """
import sys
import torch
from fmnistlab.foundation.compiler import compiler_left_out

optimizers = torch.optim.Optimizer
methods = [getattr(optimizers, name) for name in {methods!r}]
notes = lambda: [vars(method.__wrapped__).get("__dynamo_disable") for method in methods]
weight = lambda: torch.nn.Parameter(torch.ones(2))


def used(optimizer):
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.add_param_group({{"params": [weight()]}})
    optimizer.zero_grad()
"""


def run(code: str) -> None:
    """Runs code in a process of its own, in which nothing has imported the compiler yet."""
    whole = BEGIN.format(methods=METHODS) + code
    done = subprocess.run(
        [sys.executable, "-c", whole], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_methods_of_optimizers_do_not_import_the_compiler_in_the_block_and_do_after_it() -> None:
    run("""
with compiler_left_out(*methods):
    optimizer = torch.optim.Adam([weight()])
    used(optimizer)
    assert "torch._dynamo" not in sys.modules
assert notes() == [None] * 4
assert len(optimizer.param_groups) == 2
used(optimizer)
assert "torch._dynamo" in sys.modules
assert len(optimizer.param_groups) == 3
""")


def test_methods_are_called_as_torch_does_it_once_the_compiler_is_there() -> None:
    run("""
with compiler_left_out(*methods):
    optimizer = torch.optim.Adam([weight()])
    import torch._dynamo
    used(optimizer)
    kept = notes()
    assert all(note._torchdynamo_disable for note in kept)
    assert len(optimizer.param_groups) == 2
assert notes() == kept
with compiler_left_out(*methods):
    assert notes() == kept
assert notes() == kept
""")


def test_a_compiler_that_was_imported_before_is_left_to_torch() -> None:
    run("""
import torch._dynamo

with compiler_left_out(*methods):
    assert notes() == [None] * 4
    used(torch.optim.Adam([weight()]))
    assert all(note._torchdynamo_disable for note in notes())
""")


def test_nothing_is_left_after_an_error_or_within_another_block() -> None:
    run("""
try:
    with compiler_left_out(*methods):
        before = notes()
        with compiler_left_out(*methods):
            assert notes() == before
        assert notes() == before
        raise ZeroDivisionError
except ZeroDivisionError:
    assert notes() == [None] * 4
assert "torch._dynamo" not in sys.modules
""")


class Plain:
    def method(self, number: int) -> int:
        return number + 1


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*arguments: Any) -> Any:
        return 2 * function(*arguments)

    return inner


@pytest.mark.parametrize("method", [len, Plain.method, Plain, decorated(len), decorated(max)])
def test_methods_that_another_torch_does_not_wrap_in_this_way_are_left_alone(method: Any) -> None:
    with compiler_left_out(method, torch.optim.Optimizer.add_param_group):
        assert Plain().method(1) == 2
        assert decorated(max)([3, 4]) == 8
    assert not hasattr(getattr(method, "__wrapped__", method), "__dynamo_disable")
