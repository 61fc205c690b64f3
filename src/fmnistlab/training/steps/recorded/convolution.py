"""Convolutions at both ends of a small network as matrix products.

The pixels that lie under a kernel at one place of an image are written out as a row (or column) of
a matrix, "im2col" (Chellapilla, Puri and Simard 2006); the convolution is the product of that
matrix with the weights, and so are its gradients. Torch's own convolution does without the copy,
but prepares more than it computes where images are a few pixels wide, and where there is a single
channel (measured in docs/benchmarks.md). In between it is the faster one and stays.

All of this is for channels last, where a pixel's channels lie side by side in memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from fmnistlab.training.steps.recorded.internals import bound
from fmnistlab.training.steps.recorded.lowering import Call, matmul, sum_of_rows
from fmnistlab.training.steps.recorded.memory import Memory
from fmnistlab.training.steps.recorded.recording import Operation

_aten = torch.ops.aten

LARGEST_IMAGE = 49
"""Pixels of the largest image of several channels that is convolved as a product."""

SMALLEST_DEPTH = 64
"""Numbers under a kernel, all channels together, from which on a product pays for such images."""

LARGEST_KERNEL = 25
"""Pixels of the largest kernel that goes over a single channel as a product."""


LARGEST_MATRIX = 640_000
"""Numbers in the largest matrix of patches, 2.5 MB: beyond, as for the tutorial's CNN from batches
of 128 on, writing it takes longer than the product saves."""


class _Settings(NamedTuple):
    """What can be a product: stride 1, a square kernel `size` wide, the same border all around."""

    size: int
    border: int


class Convolutions:
    """Finds the convolutions that are faster as products, and their gradients.

    Args:
        memory: of the recorded step.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._patches: dict[tuple[object, ...], Tensor] = {}

    def is_product(self, operation: Operation) -> bool:
        """Returns whether this is a convolution, or the gradient of one, that `lower` replaces."""
        if operation.kernel is _aten.convolution.default:
            images, weights, bias, *rest = operation.arguments
            result = operation.writes()[0]
            fitting = bias is not None and _channels_last(result)
        elif operation.kernel is _aten.convolution_backward.default:
            result, images, weights, _, *rest, mask = operation.arguments
            fitting = _channels_last(result) and not (images.shape[1] == 1 and mask[0])
        else:
            return False
        if not fitting or _settings(images, weights, rest) is None:
            return False
        pixels = int(result.numel()) // len(result[0])
        return bool(pixels * weights[0].numel() <= LARGEST_MATRIX)

    def lower(self, operation: Operation) -> list[Call] | None:
        """Returns the calls that stand for an operation, or None if it stays as it is."""
        if not self.is_product(operation):
            return None
        if operation.kernel is _aten.convolution.default:
            images, weights, bias, *rest = operation.arguments
            return self._forward(images, weights, bias, rest, operation.writes()[0])
        gradient, images, weights, _, *rest, _ = operation.arguments
        settings = _settings(images, weights, rest)
        patches = self._patches.get(_key(images, weights, settings, gradient))
        if settings is None or patches is None:
            return None
        return self._backward(settings, gradient, weights, patches, operation.results)

    def _forward(
        self, images: Tensor, weights: Tensor, bias: Tensor, rest: list[Any], result: Tensor
    ) -> list[Call]:
        settings = _settings(images, weights, rest)
        if settings is None:
            raise AssertionError("is_product was asked before")
        single = images.shape[1] == 1
        under_kernel = self._columns_under_kernel if single else self._rows_under_kernel
        calls, patches = under_kernel(images, settings, result)
        self._patches[_key(images, weights, settings, result)] = patches
        if single:
            with_bias = self._memory.new(len(weights), settings.size**2 + 1)
            by_output = self._memory.view(self._pixels(result).t())
            calls += [
                self._copy(with_bias[:, :-1], self._matrix(weights)),
                self._copy(with_bias[:, -1], bias),
            ]
            return [*calls, matmul(with_bias, patches, by_output)]
        by_output = self._memory.view(self._matrix(weights).t())
        return [*calls, matmul(patches, by_output, self._pixels(result), bias)]

    def _backward(
        self,
        settings: _Settings,
        gradient: Tensor,
        weights: Tensor,
        patches: Tensor,
        results: tuple[Tensor | None, ...],
    ) -> list[Call]:
        to_images, to_weights, to_bias = results
        pixels = self._pixels(gradient)
        calls: list[Call] = []
        if weights.shape[1] == 1:
            both = self._memory.new(len(patches), len(weights))
            calls.append(matmul(patches, pixels, both))
            if to_weights is not None:
                calls.append(self._copy(self._matrix(to_weights), both[:-1].t()))
            if to_bias is not None:
                calls.append(self._copy(to_bias, both[-1]))
            return calls
        if to_weights is not None:
            by_output = self._memory.view(pixels.t())
            calls.append(matmul(by_output, patches, self._matrix(to_weights)))
        if to_bias is not None:
            calls.append(sum_of_rows(pixels, to_bias, self._memory))
        if to_images is not None:
            calls += self._gradient_of_images(settings, gradient, weights, to_images)
        return calls

    def _gradient_of_images(
        self, settings: _Settings, gradient: Tensor, weights: Tensor, result: Tensor
    ) -> list[Call]:
        """It is the convolution of the gradient with the kernel turned by half a turn."""
        outputs, inputs = weights.shape[:2]
        places = settings.size**2
        turned_border = _Settings(settings.size, settings.size - 1 - settings.border)
        calls, patches = self._rows_under_kernel(gradient, turned_border, result)
        turned = self._memory.new(places * outputs, inputs)
        order = torch.arange(outputs * places).view(outputs, places)
        order = order.flip(1).t().reshape(-1).contiguous()
        by_place = self._memory.view(weights.as_strided((outputs * places, inputs), (inputs, 1)))
        turn = bound(_aten.index_select.out, by_place, 0, order, out=turned)
        return [*calls, Call(turn, (turned,)), matmul(patches, turned, self._pixels(result))]

    def _rows_under_kernel(
        self, images: Tensor, settings: _Settings, result: Tensor
    ) -> tuple[list[Call], Tensor]:
        """Writes out the pixels under the kernel, all channels, as a row for each place."""
        pad, padded = self._padded(images, settings, result)
        batch, channels = images.shape[:2]
        down, across = result.shape[2:]
        image, line, pixel, _ = padded.stride()
        shape = batch, down, across, settings.size, settings.size * channels
        windows = padded.as_strided(shape, (image, line, pixel, line, 1))
        patches = self._memory.new(batch * down * across, settings.size**2 * channels)
        return [pad, self._copy(patches.view(shape), windows)], patches

    def _columns_under_kernel(
        self, images: Tensor, settings: _Settings, result: Tensor
    ) -> tuple[list[Call], Tensor]:
        """Writes out the pixels under the kernel as a column for each place, with a 1 below.

        The 1 meets the bias, so that it needs no pass over the result of its own.
        """
        pad, padded = self._padded(images, settings, result)
        batch, size = len(images), settings.size
        down, across = result.shape[2:]
        image, line, pixel, _ = padded.stride()
        shape = size, size, batch, down, across
        windows = padded.as_strided(shape, (line, pixel, image, line, pixel))
        patches = self._memory.new(size * size + 1, batch * down * across)
        patches[-1] = 1
        return [pad, self._copy(patches[:-1].view(shape), windows)], patches

    def _padded(self, images: Tensor, settings: _Settings, result: Tensor) -> tuple[Call, Tensor]:
        """Copies images into larger ones (batch, height, width, channels), with zeros around.

        They are as large as it takes for the kernel to have a place for each pixel of the result.
        """
        batch, channels, height, width = images.shape
        border, more = settings.border, settings.size - 1
        # The zeros are never written again.
        padded = self._memory.new(batch, result.shape[2] + more, result.shape[3] + more, channels)
        inner = padded[:, border : border + height, border : border + width].permute(0, 3, 1, 2)
        seen = images[:, :, : inner.shape[2], : inner.shape[3]]
        return self._copy(inner, seen), padded

    def _copy(self, place: Tensor, content: Tensor) -> Call:
        """Returns the call that copies one view to another."""
        place, content = self._memory.view(place), self._memory.view(content)
        return Call(bound(_aten.copy_.default, place, content), (place,))

    def _matrix(self, weights: Tensor) -> Tensor:
        """Returns weights (outputs, inputs, size, size) as a matrix (outputs, rest)."""
        outputs = len(weights)
        depth = weights.numel() // outputs
        return self._memory.view(weights.as_strided((outputs, depth), (depth, 1)))

    def _pixels(self, images: Tensor) -> Tensor:
        """Returns images (batch, channels, height, width) as a matrix (pixels, channels)."""
        return self._memory.view(images.permute(0, 2, 3, 1).view(-1, images.shape[1]))


def _key(
    images: Tensor, weights: Tensor, settings: _Settings | None, result: Tensor
) -> tuple[object, ...]:
    """Returns what a convolution and its gradient have in common."""
    return id(images), id(weights), settings, result.shape


def _settings(images: Tensor, weights: Tensor, rest: list[Any]) -> _Settings | None:
    """Returns the settings of a convolution that is faster as a product, else None."""
    stride, padding, dilation, transposed, _, groups = rest
    if transposed or groups != 1 or images.ndim != 4 or images.dtype != torch.float32:
        return None
    if {*stride} != {1} or {*dilation} != {1} or len({*padding}) != 1:
        return None
    _, channels, height, width = images.shape
    size = weights.shape[2]
    if weights.shape[3] != size or padding[0] >= size or len(weights) == 1:
        return None
    if channels == 1:
        fast = size**2 <= LARGEST_KERNEL
    else:
        fast = height * width <= LARGEST_IMAGE and channels * size**2 >= SMALLEST_DEPTH
    # An image of one channel is both: it lies the same way in either layout.
    fitting = _channels_last(images) and _channels_last(weights)
    return _Settings(size, padding[0]) if fast and fitting else None


def _channels_last(tensor: Tensor) -> bool:
    return tensor.is_contiguous(memory_format=torch.channels_last)
