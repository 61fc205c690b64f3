"""Pictures of data, trainings and mistakes, drawn with matplotlib (the extra "plot").

Each function returns a new figure, or draws on what it is given: `figure` takes a figure or
subfigure, `ax` the axes of a drawing that needs no more. In a notebook, figures show when the cell
ends. In a script that has imported `matplotlib.pyplot`, they are pyplot's: pyplot's `show` shows
them, `plt.close()` closes them. Elsewhere they are objects like any other, for `save_figure`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
