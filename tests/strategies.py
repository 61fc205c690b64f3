"""The hypothesis strategies that only our own tests need.

Those that authors of models and callbacks need too are in `fmnistlab.testing.strategies`.
"""

from __future__ import annotations

import collections
from typing import Any

# --- results: epoch records, histories, counts of right answers -----------------------------------
import numpy as np
import torch
from hypothesis import strategies as st

from fmnistlab.training.records.history import EpochRecord

any_float = st.floats(allow_nan=True, allow_infinity=True)
finite_float = st.floats(allow_nan=False, allow_infinity=False)
metric_names = st.sampled_from(["macro_f1", "error", "top_2_accuracy", "mine"])


@st.composite
def epoch_records(
    draw: st.DrawFn, epoch: int = 1, numbers: st.SearchStrategy[float] = any_float
) -> EpochRecord:
    """One epoch with any numbers, validated or not."""
    validated = draw(st.booleans())
    return EpochRecord(
        epoch=epoch,
        loss=draw(numbers),
        accuracy=draw(numbers),
        val_loss=draw(numbers) if validated else None,
        val_accuracy=draw(numbers) if validated else None,
        learning_rate=draw(numbers),
        seconds=draw(numbers),
        count=draw(st.integers(0, 10**9)),
        val_count=draw(st.integers(0, 10**9)) if validated else None,
        val_extra=draw(st.dictionaries(metric_names, numbers, max_size=3)) if validated else {},
    )


@st.composite
def finished_epochs(
    draw: st.DrawFn,
    min_size: int = 0,
    max_size: int = 6,
    numbers: st.SearchStrategy[float] = any_float,
) -> list[EpochRecord]:
    """A few epochs, from 1, with any numbers.

    Tests make a History of them: beartype looks at a random item of each iterable it checks, and
    strategies may not touch the global random state.
    """
    last = draw(st.integers(min_size, max_size))
    return [draw(epoch_records(epoch, numbers)) for epoch in range(1, last + 1)]


@st.composite
def successes_of_count(draw: st.DrawFn, max_count: int = 100_000) -> tuple[int, int]:
    """How many came out right, and out of how many; at least one."""
    count = draw(st.integers(1, max_count))
    return draw(st.integers(0, count)), count


confusion_matrices = st.lists(
    st.lists(st.integers(0, 6000) | st.just(0), min_size=10, max_size=10), min_size=10, max_size=10
)
"""Ten rows of ten counts; rows and columns may be empty."""

table_cells = st.none() | st.integers() | any_float | st.text(max_size=30)
"""Whatever a table may hold."""

table_rows = st.integers(1, 5).flatmap(
    lambda columns: st.lists(st.tuples(*[table_cells] * columns), min_size=1, max_size=5)
)
"""Some rows of one to five cells, all of one length."""


# --- training: what a checkpoint holds ------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite_float | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)

_FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
_DTYPES = [*_FLOATS, torch.int64, torch.uint8, torch.bool]


@st.composite
def named_tensors(draw: st.DrawFn) -> dict[str, torch.Tensor]:
    """A few tensors of any shape and dtype, by name; a tensor may be empty or 0-dimensional."""
    names = draw(st.sets(st.text("abc./0", min_size=1, max_size=6), max_size=4))
    tensors = {}
    for name in sorted(names):
        shape = draw(st.lists(st.integers(0, 4), max_size=3))
        values = torch.arange(torch.Size(shape).numel()).reshape(shape)
        tensors[name] = values.to(draw(st.sampled_from(_DTYPES)))
    return tensors


_ALL_DTYPES = [
    *_DTYPES,
    *(torch.complex64, torch.complex128, torch.uint16, torch.int8, torch.float8_e4m3fn),
]


@st.composite
def _any_tensors(draw: st.DrawFn) -> torch.Tensor:
    """A tensor of any shape, type and layout, with any bits in it."""
    shape = torch.Size(draw(st.lists(st.integers(0, 3), max_size=4)))
    dtype = draw(st.sampled_from(_ALL_DTYPES))
    size = torch.empty(0, dtype=dtype).element_size()
    content: Any
    if dtype is torch.bool:
        content = draw(st.lists(st.booleans(), min_size=shape.numel(), max_size=shape.numel()))
        tensor = torch.tensor(content, dtype=dtype).reshape(shape)
    else:
        count = shape.numel() * size
        content = draw(st.binary(min_size=count, max_size=count))
        whole = torch.frombuffer(bytearray(content or b"\0" * size), dtype=dtype).clone()
        tensor = whole[: shape.numel()].reshape(shape)
    order = draw(st.permutations(range(tensor.ndim)))
    tensor = tensor.permute(order)
    learns = (dtype.is_floating_point or dtype.is_complex) and draw(st.booleans())
    tensor.requires_grad_(learns)
    if draw(st.booleans()):
        return torch.nn.Parameter(tensor.detach(), learns)
    return tensor


_NUMPY_TYPES: tuple[Any, ...] = (
    *(np.float32, np.float64, np.int8, np.uint64, np.bool_, np.complex64, "<M8[ns]"),
)
_numpy_values = st.sampled_from(_NUMPY_TYPES).flatmap(
    lambda kind: st.tuples(st.integers(0, 3), st.integers(0, 3)).map(
        lambda shape: np.arange(shape[0] * shape[1]).astype(kind).reshape(shape)
    )
)

_state_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(2**63), 2**63]),
    any_float,
    st.complex_numbers(),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.binary(max_size=4).map(bytearray),
    st.sampled_from(_ALL_DTYPES),
    st.sampled_from([torch.device("cpu"), torch.device("cuda:1"), torch.channels_last]),
    st.lists(st.integers(0, 9), max_size=3).map(torch.Size),
    st.builds(range, st.integers(0, 5), st.integers(0, 9)),
    _any_tensors(),
    _numpy_values,
    _numpy_values.filter(lambda array: array.size > 0).map(lambda array: array.reshape(-1)[-1]),
)

_hashable = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), finite_float, st.text(max_size=3)),
    lambda inner: st.lists(inner, max_size=2).map(tuple) | st.frozensets(inner, max_size=2),
    max_leaves=3,
)


def state_trees() -> st.SearchStrategy[object]:
    """Whatever an optimizer, a schedule or a callback may keep."""
    keys = _hashable | st.sampled_from(["$tensor", "state", "params"])
    return st.recursive(
        _state_leaves | _hashable,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.lists(inner, max_size=3).map(lambda items: collections.deque(items, 4)),
            st.sets(_hashable, max_size=3),
            st.dictionaries(st.text(max_size=4), inner, max_size=3),
            st.dictionaries(keys, inner, max_size=3),
            st.dictionaries(keys, inner, max_size=3).map(collections.OrderedDict),
            st.dictionaries(keys, inner, max_size=2).map(
                lambda items: collections.defaultdict(dict, items)
            ),
        ),
        max_leaves=8,
    )


# --- models: what packages declare as entry points ------------------------------------------------

MODEL_PACKAGES = ("acme", "Beta-Models", "gamma.zoo")

declared_models = st.lists(
    st.tuples(
        st.sampled_from(MODEL_PACKAGES),
        st.sampled_from(
            ["mine", "MINE", "zoo-2.0_b", "7", "cnn", "LinearNet", "bad name", "_bad", "beta:mine"]
        ),
        st.sampled_from(
            ["builds", "no_module", "raises", "exits", "no_attribute", "number", "text", "fails"]
        ),
    ),
    max_size=6,
    unique=True,
)
"""Triples of package, name of the model, and what its entry point leads to."""


# --- data: illegal CSV texts ----------------------------------------------------------------------

BAD_CELLS = (
    *("", " ", '""', "256", "257", "300", "511", "512", "999", "1000", "65536", "65541"),
    *("4294967296", "18446744073709551617", "9" * 400, "-1", "-0", "-256", "+1", "+0", "00"),
    *("01", "007", "0255", "1.0", "0.5", ".5", "5.", "1e2", "1E1", "0x10", "0b1", "1_0", "1 0"),
    *(" 1", "1 ", "\t1", "1\t", "nan", "NaN", "NA", "null", "None", "inf", "-inf", "true", "False"),
    *("x", "1x", "O", "l", "#1", "\0", "1\0", "\0001", '"1', '1"', '""1""', '"1""', "'1'", '"01"'),
    *('" 1"', '"256"', "1;2", "=1", "\u0661", "\uff11", "\u00b2", "\u22121", "1\u00a0"),
    *("1\ufeff", "\x1a", "1\x0b", "label", "pixel1"),
)
"""Texts that no cell may hold, neither a pixel nor a label; no commas, no line ends."""

byte_edits = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "delete", "cut", "double"]),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(list(b'0123456789,\n\r" -.\0\xef\xbb\xbf;\t')) | st.integers(0, 255),
    ),
    min_size=1,
    max_size=3,
)
"""One to three changes of a file: what, where (as a fraction of the length), and a byte."""


def edited(content: bytes, edits: list[tuple[str, float, int]]) -> bytes:
    """Returns `content` after `byte_edits`."""
    for kind, place, byte in edits:
        at = int(place * len(content))
        before, after = content[:at], content[at:]
        match kind:
            case "replace":
                content = before + bytes([byte]) + after[1:]
            case "insert":
                content = before + bytes([byte]) + after
            case "delete":
                content = before + after[1:]
            case "cut":
                content = before
            case _:
                content = before + after[:1] + after
    return content


@st.composite
def labels_of_classes(draw: st.DrawFn) -> list[int]:
    """Labels in any order, of one to ten classes, with at least one item each."""
    counts = draw(st.dictionaries(st.integers(0, 9), st.integers(1, 12), min_size=1))
    return draw(st.permutations([label for label, count in counts.items() for _ in range(count)]))


# --- settings: whatever a user may give for a number ----------------------------------------------

_NUMPY_KINDS = (np.int8, np.uint64, np.float16, np.float64, np.bool_)

any_setting = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 40),
    st.sampled_from([10**30, -(10**30), 10**400, 10**5000, 2**32, 2**63 - 1, 2**63, 2**64]),
    any_float,
    st.sampled_from([-0.0, 0.5, 1.0, 2.0, 1e-320, 1e308]),
    st.sampled_from(["", "3", "auto", "adam", "cosine", "val_loss", "x" * 300, "\x1b[31m\n"]),
    st.builds(lambda kind, value: kind(value), st.sampled_from(_NUMPY_KINDS), st.integers(0, 9)),
    st.sampled_from([b"3", (), (3,), [], {}, object(), int, complex(1), torch.tensor(3)]),
)
"""Numbers good and bad, of Python and of numpy, and things that are none."""


# --- records: what may become of the JSON of a run folder -----------------------------------------


@st.composite
def changed_json(draw: st.DrawFn, content: object) -> object:
    """A value of JSON in which, at any depth, something was dropped, replaced or added."""
    if not isinstance(content, dict | list) or not content or draw(st.integers(0, 3)) == 0:
        return draw(json_values)
    if isinstance(content, list):
        items = list(content)
        at = draw(st.integers(0, len(items) - 1))
        match draw(st.sampled_from(["deeper", "deeper", "drop", "double"])):
            case "drop":
                del items[at]
            case "double":
                items.insert(at, items[at])
            case _:
                items[at] = draw(changed_json(items[at]))
        return items
    fields = dict(content)
    name = draw(st.sampled_from(list(fields)))
    match draw(st.sampled_from(["deeper", "deeper", "deeper", "drop", "add"])):
        case "drop":
            del fields[name]
        case "add":
            fields[draw(st.text(max_size=8))] = draw(json_values)
        case _:
            fields[name] = draw(changed_json(fields[name]))
    return fields
