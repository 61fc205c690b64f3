"""Pictures as files: whole or not there, and the same bytes each time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.atomic_file import write_atomically
from fmnistlab.plots.figures import DPI

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Writes a figure as PNG with 150 pixels to the inch.

    Neither date nor software is written into the file, so that equal figures drawn by the same
    version of matplotlib give equal bytes. An existing file is replaced.

    Args:
        figure: any matplotlib figure.
        path: the file to write; its name must end in .png and its folder exist.

    Returns:
        The path.

    Raises:
        ConfigurationError: the name does not end in .png, or the folder does not exist.
        OSError: the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise ConfigurationError(f"{target}: pictures are written as PNG; end the name in .png.")
    if not target.parent.is_dir():
        raise ConfigurationError(f"{target}: the folder does not exist; create it first.")
    with write_atomically(target) as stream:
        figure.savefig(
            stream,
            format="png",
            dpi=DPI,
            metadata={"Software": None},
            # The user's style sheet is for figures on the screen, not for what this file shows.
            facecolor="auto",
            edgecolor="auto",
            transparent=False,
        )
    return target
