"""README.md and the pages in docs/ are tests; all tests share the cores out among themselves."""

from __future__ import annotations

import gc
import os
import tempfile
from typing import Any

import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from tests import page_examples
from xdist.scheduler import LoadScopeScheduling

pytest_collect_file = Sybil(
    parsers=page_examples.PARSERS,
    patterns=["README.md", "docs/*.md"],
    setup=page_examples.set_up,
    teardown=page_examples.tear_down,
).pytest()


def pytest_configure(config: pytest.Config) -> None:
    """Keeps the parsed arrays apart from the user's; all processes of this run share them."""
    if not hasattr(config, "workerinput"):  # the workers of pytest-xdist inherit the variable
        folder = tempfile.TemporaryDirectory()
        config.add_cleanup(folder.cleanup)
        os.environ["FMNISTLAB_CACHE"] = folder.name


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Gives each core a process if all tests run; a few that were named run in this one."""
    return None if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


class _Pages(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Hands out the tests one by one, but the examples of a page together, pages first."""

    def _split_scope(self, nodeid: str) -> str:
        page, found, _ = nodeid.partition(".md::")
        return page if found else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Decides which process gets which tests."""
    return _Pages(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the examples of each page into the page's order again: they build on each other.

    The drills begin first: one that begins last would keep a single core busy at the end.
    """
    examples = [item for item in items if isinstance(item, SybilItem)]
    others = [item for item in items if not isinstance(item, SybilItem)]
    for example in examples:
        example.add_marker(pytest.mark.timeout(page_examples.LONGEST))
    examples.sort(key=lambda item: (item.path, item.example.line))
    others.sort(key=lambda item: "faults" not in item.path.parts)
    items[:] = [*examples, *others]


def pytest_collection_finish() -> None:
    """Keeps the garbage collector from looking through all tests again and again.

    Some call it in each example, as statsmodels does; with thousands of tests each took a second.
    """
    gc.freeze()
