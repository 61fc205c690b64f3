"""README.md and the pages in docs/ are tests: every example in them is executed."""

from __future__ import annotations

import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from tests import page_examples

pytest_collect_file = Sybil(
    parsers=page_examples.PARSERS,
    patterns=["README.md", "docs/*.md"],
    setup=page_examples.set_up,
    teardown=page_examples.tear_down,
).pytest()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the examples of each page into the page's order again: they build on each other."""
    examples = [item for item in items if isinstance(item, SybilItem)]
    others = [item for item in items if not isinstance(item, SybilItem)]
    examples.sort(key=lambda item: (item.path, item.example.line))
    items[:] = [*others, *examples]
