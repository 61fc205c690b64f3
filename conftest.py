"""README.md and the pages in docs/ are tests; all tests share the cores out among themselves."""

from __future__ import annotations

import os
import tempfile

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


def pytest_configure(config: pytest.Config) -> None:
    """Keeps the parsed arrays apart from the user's; all processes of this run share them."""
    if not hasattr(config, "workerinput"):  # the workers of pytest-xdist inherit the variable
        folder = tempfile.TemporaryDirectory()
        config.add_cleanup(folder.cleanup)
        os.environ["FMNISTLAB_CACHE"] = folder.name


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Gives each core a process if all tests run; a few that were named run in this one."""
    return None if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keeps the examples of a page in one process, and gives them the time of a training."""
    if isinstance(item, SybilItem):
        item.add_marker(pytest.mark.timeout(page_examples.LONGEST))
        item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the examples of each page into the page's order again: they build on each other.

    The drills come first: one that begins last would keep a single core busy at the end.
    """
    examples = [item for item in items if isinstance(item, SybilItem)]
    others = [item for item in items if not isinstance(item, SybilItem)]
    examples.sort(key=lambda item: (item.path, item.example.line))
    others.sort(key=lambda item: "faults" not in item.path.parts)
    items[:] = [*examples, *others]
