from __future__ import annotations

import builtins
import copy
import errno
import pickle
import traceback

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


HOSTILE = "a\x1b[2J\r\u202e\udcff\x9b"


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_printable_whoever_prints_it(kind: type[FmnistlabError]) -> None:
    error = DataFormatError(HOSTILE, HOSTILE) if kind is DataFormatError else kind(HOSTILE)
    error.add_note(HOSTILE)
    for text in (str(error), *map(str, error.args), *traceback.format_exception(error)):
        assert not set(HOSTILE[1] + "\r\u202e\udcff\x9b") & set(text)
    assert r"a\x1b[2J\r\u202e\udcff\x9b" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


def test_the_end_by_a_signal_keeps_its_code_on_the_way_out_of_a_worker_process() -> None:
    again = pickle.loads(pickle.dumps(errors.Terminated(15)))
    assert (type(again), again.code) == (errors.Terminated, 143)


def test_a_message_may_have_lines_but_no_end_of_them() -> None:
    assert str(FmnistlabError("a\n\tb")) == "a\n\tb"
    assert len(str(FmnistlabError("x" * 100_000))) <= 2000


def test_fields_keep_what_they_were_given() -> None:
    error = DataFormatError(HOSTILE, "is too large", column=HOSTILE, value="\x1b")
    assert (error.path, error.column, error.value) == (HOSTILE, HOSTILE, "\x1b")


def test_parts_that_are_no_text_and_those_of_built_in_kinds_are_printable_too() -> None:
    assert "\x1b" not in str(FmnistlabError(ValueError("\x1b")))
    error = errors.DataFileError(errno.ENOENT, "gone\x1b", "file\x1b")
    assert (error.errno, "\x1b" in str(error)) == (errno.ENOENT, False)
    assert FmnistlabError(7).args == (7,)


def test_suggestions_are_near_or_nothing() -> None:
    assert suggestion("cn", ["cnn", "linearnet"]) == " Did you mean 'cnn'?"
    assert suggestion("zebra", ["cnn", "linearnet"]) == ""
