"""Matrix products by the faster of the two libraries that torch brings.

Torch computes products of float32 matrices with MKL, and convolutions with oneDNN. On AMD's
processors MKL reaches half the speed of oneDNN: 107 against 238 GFLOP/s for one thread and matrices
of 1024 x 1024, measured on an EPYC of family 26 with torch 2.13. So there a large product goes to
oneDNN, which copies its result once. Which library it is depends on the processor and the shapes
alone, so that the same training has the same bits every time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from fmnistlab.training.graph.lowering import Call, bound
from fmnistlab.training.graph.memory import Memory
from fmnistlab.training.graph.recording import Operation

_aten = torch.ops.aten

SMALLEST_PRODUCT: Final = 2_000_000
"""Multiplications from which on oneDNN pays; below, preparing them takes longer."""

_CPU_INFO = Path("/proc/cpuinfo")


class Products:
    """Turns products into calls.

    Args:
        memory: of the recorded step.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def lower(self, operation: Operation) -> list[Call] | None:
        """Returns the calls for a recorded product, or None if it shall stay as it is."""
        bias: Tensor | None = None
        if operation.kernel is _aten.mm.default:
            left, right = operation.arguments
        elif operation.kernel is _aten.addmm.default and not operation.options:
            bias, left, right = operation.arguments[:3]
        else:
            return None
        (result,) = operation.writes()
        row = bias is None or bias.shape == result.shape[1:]
        if not (row and len(operation.arguments) <= 3 and _is_large(left, right)):
            return None
        return self.calls(left, right, result, bias)

    def calls(
        self, left: Tensor, right: Tensor, result: Tensor, bias: Tensor | None = None
    ) -> list[Call]:
        """Returns the calls that write `left @ right + bias` into `result`.

        Args:
            left: (m, k), a view held by the memory, as all of them.
            right: (k, n).
            result: (m, n), of any layout.
            bias: (n,), or None.
        """
        given = (left, right) if bias is None else (left, right, bias)
        if not _is_large(left, right):
            if bias is None:
                run: Callable[[], object] = bound(_aten.mm.out, left, right, out=result)
            else:
                run = bound(_aten.addmm.out, bias, left, right, out=result)
            return [Call(run, given, (result,))]
        calls: list[Call] = []
        if not left.is_contiguous():  # oneDNN would do it itself, and take longer
            by_rows = self._memory.new(*left.shape)
            calls.append(Call(bound(_aten.copy_.default, by_rows, left), (left,), (by_rows,)))
            left = by_rows
        linear = _onednn()
        weights = self._memory.view(right.t())

        def run_in_onednn() -> None:
            result.copy_(linear(left, weights, bias, "none", [], ""))

        return [*calls, Call(run_in_onednn, (left, *given[1:]), (result,))]


def _is_large(left: Tensor, right: Tensor) -> bool:
    """Returns whether a product goes to oneDNN."""
    multiplications = left.shape[0] * left.shape[1] * right.shape[1]
    floats = left.dtype == right.dtype == torch.float32
    return floats and multiplications >= SMALLEST_PRODUCT and onednn_is_faster()


@functools.cache
def onednn_is_faster() -> bool:
    """Returns whether this processor is one on which oneDNN beats MKL, and torch has both."""
    if not (
        torch._C.has_mkl and torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    ):
        return False
    return _CPU_INFO.exists() and "AuthenticAMD" in _CPU_INFO.read_text(encoding="utf-8")


def _onednn() -> Callable[..., Tensor]:
    """Returns oneDNN's product; underscored in torch, but what its compiler calls too."""
    function: Callable[..., Tensor] = torch.ops.mkldnn._linear_pointwise.default._op
    return function
