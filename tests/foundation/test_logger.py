from __future__ import annotations

import io
import logging

import pytest

from fmnistlab.foundation.logger import PrintableFormatter, format_error, get_logger


class Mute:
    def __str__(self) -> str:
        raise ValueError("no words")


def test_records_are_printable_for_every_handler(caplog: pytest.LogCaptureFixture) -> None:
    logger = get_logger("fmnistlab.test")
    logger.warning("passed over: %s", "a\x1b[2J\u202e.safetensors")
    logger.warning("50 %, \x9b")
    assert caplog.messages == [r"passed over: a\x1b[2J\u202e.safetensors", r"50 %, \x9b"]


def test_a_clean_record_keeps_its_arguments(caplog: pytest.LogCaptureFixture) -> None:
    get_logger("fmnistlab.test").warning("epoch %d", 3)
    assert (caplog.records[0].msg, caplog.records[0].args) == ("epoch %d", (3,))


def test_tracebacks_in_the_log_are_printable(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("a\x1b[2J")
    except ValueError:
        get_logger("fmnistlab.test").exception("it failed")
    assert r"ValueError: a\x1b[2J" in caplog.text
    assert "\x1b" not in caplog.text


def test_an_object_without_words_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    get_logger("fmnistlab.test").warning("plain steps: %s", Mute())
    assert caplog.messages == ["plain steps: %s (ValueError: no words)"]


def test_a_logger_has_its_filter_once() -> None:
    get_logger("fmnistlab.test")
    assert len(get_logger("fmnistlab.test").filters) == 1


def test_the_formatter_cleans_the_records_of_other_packages() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    handler.handle(logging.makeLogRecord({"msg": "a\x1b\tb\n\u202e"}))
    assert stream.getvalue() == "a\\x1b   b\n\\u202e\n"


def test_a_traceback_shows_causes_and_notes_printable() -> None:
    error = ValueError("a\x1b")
    error.add_note("note\x9b")
    error.__cause__ = KeyError("b\x1b")
    text = format_error(error)
    assert r"note\x9b" in text
    assert "KeyError" in text
    assert "\x1b" not in text
