"""Any state of plain values survives a checkpoint, to the bit."""

from __future__ import annotations

import collections
import json
import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from tests.strategies import state_trees
from torch import Tensor, nn

from fmnistlab.training.checkpoints.file import copied, decode_checkpoint, encode_checkpoint
from fmnistlab.training.checkpoints.state_reading import unpack_tree
from fmnistlab.training.checkpoints.state_tree import UnkeepableError, pack_tree


def kept(tree: Any) -> Any:
    """What comes out of a checkpoint file that a state was put into."""
    packed = pack_tree(tree, "state")
    named = {f"state/{name}": tensor for name, tensor in packed.tensors.items()}
    content = encode_checkpoint(copied(named), {"values": packed.values})
    tensors, state = decode_checkpoint(content, "memory")
    bare = {name.removeprefix("state/"): tensor for name, tensor in tensors.items()}
    return unpack_tree(bare, state["values"])


def bits(value: Any) -> Any:  # noqa: PLR0911 - a line for each kind
    """Everything that can be told of a value, such that equal means the same to the bit."""
    kind = type(value)
    if isinstance(value, Tensor):
        plain = value.detach().resolve_conj().contiguous().reshape(-1).view(torch.uint8)
        return kind, value.dtype, value.shape, value.requires_grad, plain.tolist()
    if isinstance(value, np.ndarray | np.generic):
        return kind, value.dtype, value.shape, value.tobytes()
    if isinstance(value, float):
        return kind, value.hex() if math.isfinite(value) else np.float64(value).tobytes()
    if isinstance(value, complex):
        return kind, np.complex128(value).tobytes()
    if isinstance(value, collections.defaultdict):
        return kind, value.default_factory, [(bits(k), bits(v)) for k, v in value.items()]
    if isinstance(value, dict):
        return kind, [(bits(key), bits(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return kind, sorted((bits(item) for item in value), key=repr)
    if isinstance(value, list | tuple | collections.deque):
        return kind, getattr(value, "maxlen", None), [bits(item) for item in value]
    return kind, value


@settings(max_examples=300)
@given(state_trees())
def test_any_tree_survives_to_the_bit(tree: Any) -> None:
    assert bits(kept(tree)) == bits(tree)


@settings(max_examples=100)
@given(state_trees())
def test_what_was_put_together_is_nobody_elses(tree: Any) -> None:
    packed = pack_tree({"tree": tree, "more": torch.ones(3)}, "state")
    one, other = (unpack_tree(packed.tensors, packed.values) for _ in range(2))
    one["more"].zero_()
    assert other["more"].tolist() == [1, 1, 1]
    assert packed.tensors["more"].tolist() == [1, 1, 1]


def test_tensors_that_share_memory_still_do() -> None:
    flat = torch.arange(12.0)
    tree = {
        "flat": flat,
        "same": flat,
        "part": flat[2:5],
        "turned": flat.view(3, 4).t(),
        "bytes": flat.view(torch.uint8)[4:8],
        "alone": torch.arange(12.0),
    }
    found = kept(tree)
    assert bits(found) == bits(tree)
    assert found["same"] is found["flat"]
    found["flat"].fill_(7)
    assert found["part"].tolist() == [7, 7, 7]
    assert found["turned"].unique().tolist() == [7]
    assert found["bytes"].view(torch.float32).tolist() == [7]
    assert found["alone"].tolist() == list(range(12))


def test_parts_of_one_memory_that_do_not_touch_are_kept_apart() -> None:
    flat = torch.arange(10.0)
    packed = pack_tree({"one": flat[:4], "other": flat[4:]}, "state")
    assert packed.values == {"one": {"$tensor": "one"}, "other": {"$tensor": "other"}}


def test_layouts_and_repetitions_survive() -> None:
    tree = {
        "last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "turned": torch.randn(3, 4).t(),
        "repeated": torch.randn(3, 1).expand(3, 4),
        "windows": torch.arange(6.0).unfold(0, 3, 1),
    }
    found = kept(tree)
    assert bits(found) == bits(tree)
    for name, tensor in tree.items():
        assert found[name].stride() == tensor.stride(), name


def test_an_array_in_two_places_is_one_array() -> None:
    array = np.arange(4.0)
    one, other = kept([array, array])
    assert one is other
    one[0] = 9  # it can be written to


def test_names_of_tensors_say_where_they_were() -> None:
    tree = {"state": {0: {"step": torch.ones(())}}, "state.0": {"step": torch.ones(())}}
    assert [*pack_tree(tree, "state").tensors] == ["state.0.step", "state.0.step~2"]


def test_text_that_no_file_can_name_a_tensor_by_is_no_harm() -> None:
    tree = {"\ud800": torch.ones(1), "__metadata__": torch.ones(2), "": torch.ones(3)}
    assert bits(kept(tree)) == bits(tree)


class Settings(dict[str, Any]):
    """A kind of dictionary that is known here alone."""


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (torch.Generator(), "type torch._C.Generator"),
        (random.Random(3), "type random.Random"),
        (np.random.default_rng(), "type numpy.random._generator.Generator"),
        (lambda: 1, "type builtins.function"),
        (nn.ReLU(), "type torch.nn.modules.activation.ReLU"),
        (torch.eye(2).to_sparse(), "a tensor of layout torch.sparse_coo on cpu"),
        (torch.ones(2, device="meta"), "a tensor of layout torch.strided on meta"),
        (np.array([object()]), "numpy's object"),
        (np.str_("x"), "numpy's <U1"),
        (Settings(), "Settings"),
        (collections.defaultdict(lambda: 3), "a defaultdict with a function of its own"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_kept_is_named_with_its_place(value: object, found: str) -> None:
    with pytest.raises(UnkeepableError) as error:
        pack_tree({"state": {0: [1, {"rng": value}]}}, "it")
    assert error.value.place == "it['state'][0][1]['rng']"
    assert found in error.value.found


def test_a_state_that_holds_itself_is_named() -> None:
    tree: list[Any] = [1]
    tree.append({"again": tree})
    with pytest.raises(UnkeepableError, match=r"it\[1\]\['again'\] is a list that holds itself"):
        pack_tree(tree, "it")


@pytest.mark.parametrize(
    "values",
    [
        {"$tensor": "missing"},
        {"$tensor": "t", "order": [0, 0]},
        {"$tensor": "t", "dtype": "load", "shape": [1]},
        {"$tensor": "t", "dtype": "torch.float32", "shape": [9], "stride": [9], "offset": 9},
        {"$tensor": "t", "dtype": "torch.float32", "shape": [2**40], "stride": [1]},
        {"$tensor": "t", "extra": 1},
        {"$array": ["t", "O", [1], "C"]},
        {"$array": ["t", "<f8", [99], "C"]},
        {"$number": ["|O8", "00"]},
        {"$dtype": "nn"},
        {"$device": "nowhere"},
        {"$defaultdict": ["exec", []]},
        {"$unknown": 1},
        {"$int": "x"},
        {"$set": [[1]]},
        {"$tuple": 5},
        {"$dict": [[1]]},
    ],
    ids=json.dumps,
)
def test_values_that_nobody_has_written_are_refused(values: object) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, RuntimeError)):
        unpack_tree({"t": torch.zeros(16, dtype=torch.uint8)}, values)
