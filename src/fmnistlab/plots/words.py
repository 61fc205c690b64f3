"""Text from outside in pictures: made to fit by measuring it, never taken for a formula."""

from __future__ import annotations

from typing import Any, Final

from fmnistlab.foundation.terminal import printable
from fmnistlab.plots.figures import DPI, figure_class

LITERAL: Final[dict[str, Any]] = {"parse_math": False}
"""Options of a text that may hold dollar signs: between two of them matplotlib reads a formula."""

_LONGEST: Final = 500


class Ruler:
    """Measures and fits text of one size.

    Args:
        size: of the letters, in points.
        bold: whether they are bold.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """

    def __init__(self, size: float, *, bold: bool = False) -> None:
        weight = "bold" if bold else "normal"
        figure = figure_class()(dpi=DPI)
        self._text = figure.text(0, 0, "", fontsize=size, fontweight=weight, **LITERAL)

    def width(self, line: str) -> float:
        """Returns the width of a line in inches."""
        self._text.set_text(line)
        return self._text.get_window_extent().width / DPI if line.strip() else 0.0

    def fit(self, text: str, width: float, lines: int = 1) -> str:
        """Returns a text broken into lines, and without its middle if it would need too many.

        Args:
            text: any text; line breaks in it stay.
            width: of a line at most, in inches.
            lines: how many there may be.
        """
        text = printable(text, limit=_LONGEST, lines=True).replace("\t", " ").strip()
        broken = self._broken(text, width)
        if len(broken) <= lines:
            return "\n".join(broken)
        least, most = 0, len(text) - 1
        while least < most:
            kept = (least + most + 1) // 2
            fits = len(self._broken(_without_middle(text, kept), width)) <= lines
            least, most = (kept, most) if fits else (least, kept - 1)
        return "\n".join(self._broken(_without_middle(text, least), width))

    def _broken(self, text: str, width: float) -> list[str]:
        return [line for part in text.split("\n") for line in self._broken_line(part, width)]

    def _broken_line(self, line: str, width: float) -> list[str]:
        """Breaks a line at its spaces, or within a word that is too long for a line."""
        broken = []
        while self.width(line) > width and len(line) > 1:
            least, most = 1, len(line) - 1
            while least < most:
                middle = (least + most + 1) // 2
                fits = self.width(line[:middle]) <= width
                least, most = (middle, most) if fits else (least, middle - 1)
            space = line.rfind(" ", 1, least + 1)
            at = space if space > 0 else least
            broken.append(line[:at].rstrip())
            line = line[at:].lstrip()
        return [*broken, line]


def _without_middle(text: str, kept: int) -> str:
    """Returns a text of which `kept` characters are left, more at the beginning than at the end."""
    end = kept // 3
    return f"{text[: kept - end].rstrip()}…{text[len(text) - end :].lstrip()}"
