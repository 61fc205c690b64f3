"""HTML as a browser would read it, and what all HTML of the library must keep."""

from __future__ import annotations

from html.parser import HTMLParser

TAGS = {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "p", "img"}
HOSTILE = "<script>alert(1)</script>\"' onload=x & &lt; \x1b[31m\u202e"
"""A name that would act, if it were not only shown."""


class Page(HTMLParser):
    """The elements of a piece of HTML with their attributes, its texts, the rows of its tables."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(content)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip("\n"):
            self.texts.append(data)
        if self.open[-1] in {"th", "td"}:
            self.rows[-1][-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    handle_pi = unknown_decl = handle_comment


def checked(content: str) -> Page:
    """Reads HTML as a notebook gets it, and holds it to what all of it must keep."""
    page = Page(content)
    assert content.replace("\n", "").isprintable()
    for tag, attributes in page.elements:
        assert tag in TAGS
        assert set(attributes) <= {"style", "scope", "src", "alt", "width", "height"}
        assert "color" not in (attributes.get("style") or "")
        assert "background" not in (attributes.get("style") or "")
        if tag == "th":
            assert attributes["scope"] in {"col", "row"}
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/png;base64,")
            assert attributes["alt"]
    names = [tag for tag, _ in page.elements]
    assert names.count("table") == names.count("caption") > 0
    return page
