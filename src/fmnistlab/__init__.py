"""fmnistlab: the Fashion-MNIST laboratory.

The public names are in `__init__.pyi` beside this file, here and in each folder that is a user's
import path. They are imported when they are first used, so that importing the package stays light;
torch is only loaded once something needs it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
