"""Text from outside on its way to a terminal or a log: nothing in it acts, hides or runs on.

File names, the names and errors of plug-ins and the cells of a CSV file may hold anything. A
terminal obeys control characters, shows text backwards after others, and shows some not at all;
so these are written as escapes here. Backslashes stay as they are: what is shown is to be read by
people, and is no code from which the text could be made again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

LIMIT: Final = 2_000
"""Characters that a text may have on a terminal; a longer one is cut in its middle."""

_SHORTEST: Final = 64

# Arabic, Indic scripts and emoji need joiners between their letters, and many symbols a selector
# behind them. Elsewhere these characters change nothing that could be seen: two names that look
# the same would differ in them.
JOINERS: Final = "\u200c\u200d"
"""Characters that join their two neighbors or keep them apart, and are nothing without them."""

_SELECTORS: Final = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))

# Letters, marks and symbols by their category, which nevertheless look like nothing.
_BLANK: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
)
_SHORT_ESCAPES: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str, *, limit: int = LIMIT, lines: bool = False) -> str:
    r"""Returns a text as it may be written to a terminal or a log.

    Shown as escapes such as ``\x1b`` and ``\u202e`` are: control characters, marks that change the
    direction of writing, separators of lines and paragraphs, blanks other than the space, all other
    characters without a shape, characters that are unassigned or of private use, and the lone
    surrogates by which Python spells file names that it cannot decode. Joiners and variation
    selectors stay where they shape their neighbors. Doing it twice changes nothing more.

    Args:
        text: any text.
        limit: characters of the result at most; less than 64 counts as 64. A longer text loses its
            middle to "... (1,234 characters more) ...": a message begins with the place and ends
            with the reason.
        lines: whether line breaks and tabs may stay.
    """
    limit = max(limit, _SHORTEST)
    if len(text) <= limit:
        if text.isascii() and text.isprintable():
            return text
        shown = "".join(_shown(text, i, lines=lines) for i in range(len(text)))
        if len(shown) <= limit:
            return shown
    return _without_middle(text, limit, lines=lines)


def describe(error: BaseException) -> str:
    """Returns kind and text of an error, printable, even of one that cannot print itself.

    Args:
        error: of any package; its text may have several lines.
    """
    kind, text = type(error).__name__, text_of(error)
    return printable(f"{kind}: {text}" if text else kind, limit=LIMIT // 2, lines=True)


def text_of(value: object) -> str:
    """Returns the text of an error or another object, even of one that cannot print itself."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a stranger's __str__; the kind still tells something
        return "(its text cannot be shown)"


def one_line(text: str) -> str:
    """Returns a text with its line breaks as spaces, printable."""
    return printable(" ".join(filter(None, map(str.strip, text.split("\n")))))


def _shown(text: str, i: int, *, lines: bool) -> str:
    """Returns character `i` of a text as it is shown, which may depend on its neighbors."""
    character = text[i]
    if _has_shape(character) or (lines and character in "\n\t"):
        return character
    if character in _SELECTORS and i and _has_shape(text[i - 1]):
        return character
    if character in JOINERS and 0 < i < len(text) - 1:
        before = i - 2 if i > 1 and text[i - 1] in _SELECTORS else i - 1
        if all(_has_shape(text[j]) and not text[j].isascii() for j in (before, i + 1)):
            return character
    return _SHORT_ESCAPES.get(character) or _escape(ord(character))


def _has_shape(character: str) -> bool:
    return character.isprintable() and character not in _BLANK and character not in _SELECTORS


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _without_middle(text: str, limit: int, *, lines: bool) -> str:
    room = limit - len(_gap(len(text)))
    head = _fitting((_shown(text, i, lines=lines) for i in range(len(text))), room * 2 // 3)
    backwards = range(len(text) - 1, -1, -1)
    tail = _fitting((_shown(text, i, lines=lines) for i in backwards), room // 3)[::-1]
    # At a cut they have lost a neighbor, without which they shape nothing.
    while head and head[-1] in JOINERS:
        head.pop()
    while tail and tail[0] in _SELECTORS.union(JOINERS):
        tail.pop(0)
    gap = _gap(len(text) - len(head) - len(tail))
    return "".join((*head, gap, *tail))


def _gap(count: int) -> str:
    return f"... ({count:,} characters more) ..."


def _fitting(pieces: Iterable[str], room: int) -> list[str]:
    """Returns the first pieces, as many as have `room` characters together."""
    fitting = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        fitting.append(piece)
    return fitting
