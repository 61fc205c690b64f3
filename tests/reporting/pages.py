"""A page as a browser without scripts would read it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"meta", "input", "link", "br", "img"}


class Page(HTMLParser):
    """The elements of a page, its words, its tables by caption, the numbers inside."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self._caption = ""
        self.feed(content)
        self.close()
        assert self._open == [], f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._rows, self._caption = [], ""
        if tag == "tr":
            self._rows.append([])
        if tag in {"td", "th"}:
            self._rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "table":
            assert self._caption, "a table without a caption"
            self.tables[self._caption] = self._rows

    def handle_data(self, data: str) -> None:
        if "script" in self._open:
            self.scripts.append(data)
            return
        if "style" in self._open:
            return
        self.words.append(data)
        if "caption" in self._open:
            self._caption += data
        elif {"td", "th"} & set(self._open):
            self._rows[-1][-1] += data

    @property
    def text(self) -> str:
        """All words, with single spaces."""
        return " ".join(" ".join(self.words).split())

    @property
    def numbers(self) -> dict[str, Any]:
        """What the page holds as JSON."""
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found

    def attributes(self, name: str) -> list[str]:
        """All values of an attribute."""
        return [value for _, found in self.elements if (value := found.get(name)) is not None]


def read(path: Path) -> Page:
    """Reads a page, and holds it to what every page must keep."""
    content = path.read_bytes().decode("utf-8")
    assert len(content.encode()) <= 1_500_000
    page = Page(content)
    ids = page.attributes("id")
    assert len(ids) == len(set(ids)), "an id is there twice"
    for reference in ("popovertarget", "aria-labelledby"):
        assert {word for value in page.attributes(reference) for word in value.split()} <= set(ids)
    for link in page.attributes("href"):
        assert not link.startswith("#") or link[1:] in ids
    # Nothing leads out, whatever a browser may think of the policy.
    assert not re.search(r"""(src|href|action|data)\s*=\s*["']?\s*(https?:|//)""", content)
    assert not re.findall(r"url\((?!data:)|@import", content)
    assert not {tag for tag, _ in page.elements} & {"link", "iframe", "object", "embed", "base"}
    assert not [name for _, found in page.elements for name in found if name.startswith("on")]
    return page
