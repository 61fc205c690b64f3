"""From contents to one HTML file: everything inside, nothing requested, text that stays text."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from fmnistlab.data.schema import CLASS_NAMES
from fmnistlab.foundation.terminal import printable
from fmnistlab.reporting.sprite import COLUMNS, Sprite
from fmnistlab.version import __version__

TEMPLATES: Final = Path(__file__).parent / "templates"

LIMIT: Final = 1_500_000
"""Bytes of a page at most."""

_LONGEST_TEXT: Final = 2_000


def render(template: str, contents: Mapping[str, Any], sprite: Sprite | None) -> str:
    """Returns a page.

    Args:
        template: name of the template.
        contents: what it shows; texts may hold anything.
        sprite: the pictures that it refers to.
    """
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    if sprite is not None and len(sprite):
        data = base64.b64encode(sprite.png()).decode("ascii")
        style += f".p{{background-image:url(data:image/png;base64,{data})}}\n"
    return (
        _environment()
        .get_template(template)
        .render(
            contents,
            script=Markup(script),  # noqa: S704 - our own file
            script_sha256=digest,
            style=Markup(style),  # noqa: S704 - our own file and base64
            classes=CLASS_NAMES,
            columns=COLUMNS,
            version=__version__,
        )
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "fraction": fraction,
        "number": number,
        "points": points,
        "sure": sure,
        "json": embedded_json,
    }
    return environment


def fraction(value: float | None) -> str:
    """Returns a number with four decimals; a dash for none."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:.4f}" if abs(value) < 10_000 else f"{value:.2e}"


def number(value: float | None, spec: str = ",") -> str:
    """Returns a number in a format, by default with commas between thousands; a dash for none."""
    return "\N{EN DASH}" if value is None else format(value, spec)


def points(value: float | None) -> str:
    """Returns a fraction as percentage points with a sign; a dash for none."""
    return "\N{EN DASH}" if value is None else f"{100 * value:+.2f}".replace("-", "\N{MINUS SIGN}")


def sure(value: float) -> str:
    """Returns a probability with two decimals; what would round to 1.00 becomes ">0.99"."""
    return ">0.99" if value >= 0.995 else f"{value:.2f}"


def embedded_json(content: object) -> Markup:
    """Returns values of JSON as text that stands in a script element; numbers that are none: null.

    Args:
        content: mappings, sequences, text, numbers, booleans and None.
    """
    text = json.dumps(_finite(content), allow_nan=False, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704 - nothing in it can end the element


def _finite(content: object) -> object:
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, Mapping):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content


def _shown(value: object) -> object:
    """Makes every text printable on its way into the page; markup is ours."""
    if hasattr(value, "__html__") or isinstance(value, int | float):
        return value
    return printable(str(value), limit=_LONGEST_TEXT, lines=True)
