"""Skips pixels that a pool drops.

A pool of 2 x 2 pixels over an image of odd width drops the last row and column. Of an image of
3 x 3 pixels, as at the end of the tutorial's CNN, that is more than half; a convolution that ends
in such a pool need not compute them, and their gradient is zero anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fmnistlab.training.steps.recorded.memory import Memory
from fmnistlab.training.steps.recorded.recording import Operation

_aten = torch.ops.aten


def crop(
    operations: Sequence[Operation], memory: Memory, eligible: Callable[[Operation], bool]
) -> list[Operation]:
    """Returns the operations with smaller images between convolution and pool where possible.

    Args:
        operations: as they were recorded.
        memory: where they were recorded; smaller images become new blocks of it.
        eligible: tells which convolutions, and gradients of convolutions, can do with smaller
            images than they would have by themselves.
    """
    readers: dict[int, list[int]] = {}
    for number, operation in enumerate(operations):
        for block in {memory.block(tensor) for tensor in operation.reads()}:
            readers.setdefault(block, []).append(number)
    cropped = list(operations)
    for number, operation in enumerate(operations):
        if operation.kernel is not _aten.convolution.default or not eligible(operation):
            continue
        images = operation.writes()[0]
        chain = _chain(operations, memory, readers, images)
        if chain is None:
            continue
        pool, pool_backward, convolution_backward = chain
        if not eligible(operations[convolution_backward]):
            continue
        gradient = operations[pool_backward].writes()[0]
        small = {id(images): _smaller(images, memory), id(gradient): _smaller(gradient, memory)}
        for changed in (number, pool, pool_backward, convolution_backward):
            cropped[changed] = _with(cropped[changed], small)
    return cropped


def _chain(
    operations: Sequence[Operation], memory: Memory, readers: dict[int, list[int]], images: Tensor
) -> tuple[int, int, int] | None:
    """Returns the pool, its gradient and the convolution's, if only they see these images."""
    height, width = images.shape[2:]
    seen_by = readers.get(memory.block(images), [])
    if len(seen_by) != 2 or min(height, width) < 2 or not (height % 2 or width % 2):
        return None
    pool, pool_backward = seen_by
    gradient = operations[pool_backward].results[0]
    if gradient is None or not _is_pool(operations[pool], images):
        return None
    places = operations[pool].writes()[1]  # they count the pixels of the whole image
    if readers.get(memory.block(places), []) != [pool_backward]:
        return None
    gradient_seen_by = readers.get(memory.block(gradient), [])
    convolution_backward = gradient_seen_by[0] if len(gradient_seen_by) == 1 else pool_backward
    expected = (
        (pool_backward, _aten.max_pool2d_with_indices_backward.default, 1, images),
        (convolution_backward, _aten.convolution_backward.default, 0, gradient),
    )
    for number, kernel, position, tensor in expected:
        operation = operations[number]
        if operation.kernel is not kernel or operation.arguments[position] is not tensor:
            return None
    return pool, pool_backward, convolution_backward


def _is_pool(operation: Operation, images: Tensor) -> bool:
    """Returns whether an operation is a pool of 2 x 2 pixels, side by side, over these images."""
    if operation.kernel is not _aten.max_pool2d_with_indices.default:
        return False
    first, *settings = operation.arguments
    defaults = [[], [], [0, 0], [1, 1], False][len(settings) :]
    return first is images and [*settings, *defaults] == [[2, 2], [2, 2], [0, 0], [1, 1], False]


def _smaller(images: Tensor, memory: Memory) -> Tensor:
    """Returns images without the last row and column that a pool would drop, channels last."""
    batch, channels, height, width = images.shape
    block = memory.new(batch, height - height % 2, width - width % 2, channels)
    return memory.view(block.permute(0, 3, 1, 2))


def _with(operation: Operation, replaced: dict[int, Tensor]) -> Operation:
    """Returns an operation with other tensors in the place of some."""
    return operation._replace(
        arguments=tuple(replaced.get(id(item), item) for item in operation.arguments),
        results=tuple(replaced.get(id(item), item) for item in operation.results),
    )
