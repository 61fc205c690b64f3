"""Settings of Sphinx: `sphinx-build -W --keep-going -b html docs docs/_build`."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

from fmnistlab.version import __version__

project = "fmnistlab"
author = "The fmnistlab authors"
copyright = "the fmnistlab authors, MIT licence"
version = release = __version__
language = "en_GB"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# Every reference within the package must be right. There is no network when the pages are built,
# so what belongs to Python and to other packages cannot be a link.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(collections|contextlib|io|os|pathlib|torch|np|numpy|pd|matplotlib)\..*"),
    (r"py:.*", r"(hypothesis|jaxtyping)\..*"),
    (r"py:.*", r"(Tensor|ndarray|dict\[str|nn\.\w+|Path|Figure|Axes|Images|Labels|.*_Factory)"),
    (r"py:.*", r"fmnistlab\.plots\.figures\.FigureT"),
    (r"py:.*", r"(Float|Int64|UInt8|Shaped)"),
    (r"py:.*", r"['\d].*|.*'"),  # the pieces of a shape such as "batch 1 28 28"
]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]
default_role = "code"

html_theme = "furo"
html_title = f"fmnistlab {__version__}"
html_static_path = ["_static"]
html_css_files = ["fmnistlab.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0a5c8f", "color-brand-content": "#0a5c8f"},
    "dark_css_variables": {"color-brand-primary": "#6bb8e8", "color-brand-content": "#6bb8e8"},
}
pygments_style = "tango"
pygments_dark_style = "github-dark"


def keep_plain(
    _app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Keeps Sphinx from reading more into a docstring than its author meant.

    - Napoleon takes what stands before a colon in "The figure, with two axes: loss, accuracy" for a
      type. Ours are in the signatures, so an empty type is put in front.
    - reStructuredText takes "val_" for a link.
    """
    starts = [0] if lines and what in ("attribute", "data", "property") else []
    starts += [number + 1 for number, line in enumerate(lines[:-1]) if _RESULT.fullmatch(line)]
    for number in starts:
        lines[number] = re.sub(r"^(\s*)(?=\S)", r"\1: ", lines[number])
    lines[:] = [_TRAILING_UNDERSCORE.sub(r"\\_", line) for line in lines]


_RESULT = re.compile(r"\s*(Returns|Yields):\s*")
_TRAILING_UNDERSCORE = re.compile(r"(?<=\w)_(?![\w`])")


def setup(app: Sphinx) -> None:
    """Runs `keep_plain` before napoleon."""
    app.connect("autodoc-process-docstring", keep_plain, priority=400)
