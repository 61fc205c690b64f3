from __future__ import annotations

import builtins
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnistlab import errors
from fmnistlab.errors import DataFormatError, FmnistlabError, suggestion

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, FmnistlabError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_of_the_family_and_of_a_built_in_kind(kind: type[FmnistlabError]) -> None:
    assert 1 <= kind.exit_code <= 5
    own = {FmnistlabError, errors.DataError}
    built_in = [base for base in kind.__mro__ if vars(builtins).get(base.__name__) is base]
    assert kind in own or any(base not in (Exception, BaseException, object) for base in built_in)


@given(
    st.text(),
    st.text(),
    st.none() | st.integers(1),
    st.none() | st.text(),
    st.none() | st.text(),
)
def test_format_errors_survive_a_copy(
    path: str, reason: str, line: int | None, column: str | None, value: str | None
) -> None:
    """A copy is made through the same door as the way out of a worker process."""
    error = DataFormatError(path, reason, line=line, column=column, value=value)
    again = copy.copy(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_a_format_error_names_everything_once() -> None:
    error = DataFormatError("a.csv", "is too large", line=7, column="pixel3", value="256")
    assert str(error) == "a.csv, line 7, column pixel3: '256' is too large"
    assert len(DataFormatError("a.csv", "x", value="9" * 1000).value or "") == 40


def test_suggestions_are_near_or_nothing() -> None:
    assert suggestion("cn", ["cnn", "linearnet"]) == " Did you mean 'cnn'?"
    assert suggestion("zebra", ["cnn", "linearnet"]) == ""
