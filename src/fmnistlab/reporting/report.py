"""A run or a comparison as one HTML file."""

from __future__ import annotations

import os
from pathlib import Path

from fmnistlab.errors import ConfigurationError
from fmnistlab.experiments.comparison.comparison import Comparison
from fmnistlab.experiments.comparison.reading import read_comparison
from fmnistlab.experiments.comparison.record import COMPARISON
from fmnistlab.experiments.experiment import Experiment
from fmnistlab.experiments.run_folder_state import REPORT
from fmnistlab.foundation.atomic_file import write_atomically
from fmnistlab.reporting.comparison_page import comparison_page
from fmnistlab.reporting.run_page import run_page


def report(
    source: str | os.PathLike[str] | Experiment | Comparison,
    out: str | os.PathLike[str] | None = None,
    *,
    model: str | None = None,
) -> Path:
    """Writes one HTML file that shows a run or a comparison, and needs nothing else.

    The file has at most 1.5 MB, asks for nothing over a network, and holds the same bytes for the
    same input. An earlier report is replaced whole.

    Args:
        source: what `run_experiment` or `compare` returned; or a run folder of a finished training;
            or the folder of a comparison, finished or not.
        out: the file; None takes `report.html` in the folder of the source.
        model: where the code of a run's model is, such as "my_model.py:Net", if no installed
            package offers it; only needed for its layers, or if the predictions are lost.

    Returns:
        The file.

    Raises:
        RunFolderError: the folder holds neither, or cannot be read.
        ConfigurationError: a comparison has no folder, and no file is named.
        FmnistlabError: predictions that are lost cannot be made anew.
        OSError: the file cannot be written.
    """
    if isinstance(source, Experiment):
        source = source.folder
    found: Path | Comparison
    if isinstance(source, Comparison):
        folder, found = source.folder, source
    else:
        folder = found = Path(source).expanduser()
        if (folder / COMPARISON).exists():
            found = read_comparison(folder)
    if out is None and folder is None:
        raise ConfigurationError(
            "The comparison has no folder; name the file to write the report to."
        )
    path = folder / REPORT if out is None and folder is not None else Path(out or "").expanduser()
    page = comparison_page(found, path) if isinstance(found, Comparison) else run_page(found, model)
    with write_atomically(path) as stream:
        stream.write(page.encode())
    return path
