"""Pictures of data, trainings and mistakes, drawn with matplotlib (the extra "plot").

Each function returns a `matplotlib.figure.Figure` and can be given one to draw on; nothing is
shown, written to disk or kept. In a notebook, run ``%matplotlib inline`` once and a figure at the
end of a cell is displayed; elsewhere, hand it to `save_figure`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
