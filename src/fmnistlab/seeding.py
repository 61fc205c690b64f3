"""Randomness as functions: the same (seed, purpose, position) always gives the same numbers.

Nothing here draws from a shared stream, so no code can draw one number too many: the order of epoch
3 is the same whether epochs 1 and 2 were run, skipped, or run in another process.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from fmnistlab.foundation.checks import whole_number
from fmnistlab.shapes import Float, Int64

MAX_SEED = 2**63 - 1
"""Largest seed; torch, numpy and files all hold it as a signed 64-bit integer."""

MAX_SPLIT_SEED = 2**32 - 1
"""Largest seed of a split; scikit-learn takes no larger one."""

_GOLDEN_GAMMA = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def checked_seed(value: object, name: str = "seed") -> int:
    """Returns a seed as Python's own integer.

    Args:
        value: what the user gave.
        name: of the setting, for the message.

    Returns:
        An integer from 0 to `MAX_SEED`.

    Raises:
        ConfigurationError: it is no whole number in this range; see `whole_number`.
    """
    return whole_number(name, value, least=0, most=MAX_SEED)


def derive_seed(seed: int, purpose: str, *position: int) -> int:
    """Returns a 63-bit seed that depends on all arguments and looks unrelated for any change.

    Args:
        seed: the user's seed, from 0; see `checked_seed`.
        purpose: what the randomness is for, such as "order" or "augment".
        *position: where it is used, such as the epoch.

    Returns:
        An integer from 0 to 2**63 - 1: the first 63 bits of a SHA-256 over the arguments.
    """
    text = "\x1f".join([str(seed), purpose, *map(str, position)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, purpose: str, *position: int) -> torch.Generator:
    """Returns a fresh CPU generator for (seed, purpose, position); see `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, *position))


def permutation(count: int, seed: int, epoch: int) -> Int64[Tensor, "count"]:
    """Returns the order in which `count` items are visited in `epoch`, int64, on the CPU."""
    return torch.randperm(count, generator=torch_generator(seed, "order", epoch))


def draw(shares: Float[Tensor, "count"], seed: int, epoch: int) -> Int64[Tensor, "count"]:
    """Returns as many items as there are, drawn with replacement for `epoch`, int64, on the CPU.

    Args:
        shares: how often each item is drawn, relatively; float64 on the CPU, above 0.
        seed: the user's seed.
        epoch: number of the epoch, from 1.
    """
    generator = torch_generator(seed, "order", epoch)
    # torch.multinomial takes no more than 2**24 items; this takes any number.
    ends = shares.cumsum(0)
    places = torch.rand(len(shares), generator=generator, dtype=torch.float64) * ends[-1]
    return torch.searchsorted(ends, places, right=True).clamp_(max=len(shares) - 1)


def uniform(
    draws: int, item: Int64[Tensor, "batch"], *, seed: int, epoch: int
) -> Float[Tensor, "batch draws"]:
    """Returns `draws` uniform numbers for each item that depend only on (seed, epoch, item).

    The numbers of an item are the same in any batch, worker, order and on any device: each is one
    output of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) at a counter made from the item.

    Args:
        draws: numbers wanted for each item.
        item: indices of the items in their data set, int64.
        seed: the user's seed.
        epoch: number of the epoch, from 1.

    Returns:
        Float32 in [0, 1), multiples of 2**-24, on the device of `item`.
    """
    key = derive_seed(seed, "augment", epoch)
    counter = item.unsqueeze(1) * draws + torch.arange(draws, device=item.device)
    state = (counter + 1) * _GOLDEN_GAMMA + key
    state = (state ^ _shift_right(state, 30)) * _MIX_1
    state = (state ^ _shift_right(state, 27)) * _MIX_2
    state = state ^ _shift_right(state, 31)
    return _shift_right(state, 40).to(torch.float32) * 2.0**-24


def _shift_right(value: Tensor, bits: int) -> Tensor:
    """Shifts as if the 64 bits were unsigned; torch shifts the sign in."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)
