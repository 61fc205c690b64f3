"""A run, a comparison or an audit as one HTML file."""

from __future__ import annotations

import os
from pathlib import Path

from fmnistlab.auditing.result import Audit
from fmnistlab.errors import ConfigurationError
from fmnistlab.experiments.comparison.comparison import Comparison
from fmnistlab.experiments.comparison.reading import read_comparison
from fmnistlab.experiments.comparison.record import COMPARISON
from fmnistlab.experiments.experiment import Experiment
from fmnistlab.experiments.run_folder_state import REPORT
from fmnistlab.foundation.atomic_file import write_atomically
from fmnistlab.reporting.audit_page import audit_page
from fmnistlab.reporting.comparison_page import comparison_page
from fmnistlab.reporting.run_page import run_page


def report(
    source: str | os.PathLike[str] | Experiment | Comparison | Audit,
    out: str | os.PathLike[str] | None = None,
    *,
    model: str | None = None,
) -> Path:
    """Writes one HTML file that shows a run, a comparison or an audit, and needs nothing else.

    The file has at most 1.5 MB, asks for nothing over a network, and holds the same bytes for the
    same input. An earlier report is replaced whole.

    Args:
        source: what `run_experiment`, `compare` or `audit` returned; or a run folder of a finished
            training; or the folder of a comparison, finished or not.
        out: the file; None takes `report.html` in the folder of the source.
        model: where the code of a run's model is, such as "my_model.py:Net", if no installed
            package offers it; only needed for its layers, or if the predictions are lost.

    Returns:
        The file.

    Raises:
        RunFolderError: the folder holds neither, or cannot be read.
        ConfigurationError: the source has no folder, as an audit, and no file is named.
        FmnistlabError: predictions that are lost cannot be made anew.
        OSError: the file cannot be written.
    """
    if isinstance(source, Experiment):
        source = source.folder
    if not isinstance(source, Comparison | Audit):
        source = Path(source).expanduser()
        if (source / COMPARISON).exists():
            source = read_comparison(source)
    path = _path(source, out)
    if isinstance(source, Audit):
        page = audit_page(source)
    elif isinstance(source, Comparison):
        page = comparison_page(source, path)
    else:
        page = run_page(source, model)
    with write_atomically(path) as stream:
        stream.write(page.encode())
    return path


def _path(source: Path | Comparison | Audit, out: str | os.PathLike[str] | None) -> Path:
    """Returns the file to write."""
    if out is not None:
        return Path(out).expanduser()
    if isinstance(source, Audit):
        raise ConfigurationError("An audit has no folder; name the file to write the report to.")
    folder = source.folder if isinstance(source, Comparison) else source
    if folder is None:
        raise ConfigurationError(
            "The comparison has no folder; name the file to write the report to."
        )
    return folder / REPORT
