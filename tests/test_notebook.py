"""The notebook in examples/, executed by a kernel as Jupyter executes it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.html_page import checked

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kernels over ipc are for Unix")


@pytest.fixture(scope="module")
def kernel_folder() -> Iterator[str]:
    """Where the kernel keeps its sockets; their paths must be short."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder


def executed(cells: list[str], folder: str) -> list[list[dict[str, Any]]]:
    """Runs cells in a new kernel; returns the outputs of each."""
    import nbformat
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook = nbformat.v4.new_notebook(cells=code)
    # Over ipc no port is opened, on this computer neither.
    connection = str(Path(folder, f"{len([*Path(folder).iterdir()])}.json"))
    manager = AsyncKernelManager(transport="ipc", connection_file=connection)
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environment |= {"IPYTHONDIR": folder, "JUPYTER_CONFIG_DIR": folder, "OMP_NUM_THREADS": "1"}
    client = NotebookClient(notebook, km=manager, timeout=500)
    client.execute(env=environment, cleanup_kc=True)
    return [cell["outputs"] for cell in notebook["cells"]]


def kinds(outputs: list[dict[str, Any]]) -> list[str]:
    """Returns of each output of a cell what a page shows of it, the richest form."""
    rich = ("image/png", "text/html", "text/plain")
    return [
        next(kind for kind in rich if kind in output["data"]) if "data" in output else "stream"
        for output in outputs
    ]


IMAGES = """
from fmnistlab import plots
from fmnistlab.plots.figures import off_screen
import numpy as np

images, labels = np.zeros((2, 28, 28), dtype=np.uint8), np.array([0, 1])
"""


def test_a_figure_is_shown_once_wherever_it_stands_in_a_cell(kernel_folder: str) -> None:
    cells = {
        IMAGES: [],
        "plots.plot_images(images)": ["image/png"],
        "for _ in range(2):\n    plots.plot_images(images)": ["image/png", "image/png"],
        "kept = plots.plot_images(images)": ["image/png"],
        "kept": ["image/png"],
        "display(plots.plot_images(images))\nprint(1)": ["image/png", "stream"],
        # As the pictures of a run folder are drawn:
        "with off_screen():\n    plots.plot_images(images)": [],
        "import matplotlib.pyplot as plt\nplt.get_fignums()": ["text/plain"],
        "_, ax = plt.subplots()\nplots.plot_samples(images, np.array([0, 1]), ax=ax);": [
            "image/png"
        ],
    }
    outputs = executed([*cells], kernel_folder)
    assert [kinds(shown) for shown in outputs] == [*cells.values()]
    assert outputs[7][0]["data"]["text/plain"] == "[]"


def test_the_example_shows_every_object_and_picture(kernel_folder: str) -> None:
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code), "strip the outputs"
    sources = [cell["source"].replace("epochs=2", "epochs=1") for cell in code]  # to be quick
    outputs = executed(sources, kernel_folder)
    shown = dict(zip((source.splitlines()[-1] for source in sources), outputs, strict=True))
    tables = {
        "train": "bundled train set",
        'fmnistlab.summary(fmnistlab.create_model("cnn"))': "26,194 of 26,194 parameters",
        "cnn.history": "1 epoch, the best val_accuracy 0.8",
        "cnn.evaluate(test)": "10,000",
        "predictions": "Predictions for 10,000 images",
        "class_scores(test.targets, predictions)": "Scores by class",
    }
    for last, words in tables.items():
        (output,) = shown.pop(last)
        page = checked(output["data"]["text/html"])
        assert any(words in text for text in page.texts), last
    pictures = [output for outputs in shown.values() for output in outputs]
    assert [output["data"]["text/plain"].split()[0] for output in pictures] == [
        "<NotebookFigure",  # samples
        "<NotebookFigure",  # curves
        "<Figure",  # two confusion matrices
        "<NotebookFigure",  # mistakes
        "<NotebookFigure",  # predictions
    ]
    assert all("image/png" in output["data"] for output in pictures)
