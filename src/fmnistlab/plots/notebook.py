"""A figure that a notebook shows once."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure of pyplot that is shown once, as the result of a cell or at its end.

    The inline backend shows at the end of a cell all figures that pyplot knows, also one that has
    just been shown because the cell ended in it.
    """

    def _ipython_display_(self) -> None:
        """Makes pyplot forget the figure, and leaves showing it to IPython.

        Raises:
            NotImplementedError: always; IPython then goes on as if this method were not there.
        """
        if "inline" in mpl.get_backend():
            plt.close(self)
        raise NotImplementedError
