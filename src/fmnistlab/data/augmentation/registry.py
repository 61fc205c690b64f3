"""Augmentations by name: the built-in ones, those that packages declare, and code.

Packages declare augmentations under the entry-point group "fmnistlab.augmentations", ``name =
"module:Class"``. The rules are those of models: listing imports nothing, and a plug-in that fails
is an error only for who asks for it.
"""

from __future__ import annotations

import contextlib
import copyreg
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from fmnistlab.errors import (
    AugmentationLoadError,
    AugmentationNameClashError,
    UnknownAugmentationError,
    suggestion,
)
from fmnistlab.plugins.code import code_name, is_code_name, is_file_name, load_code
from fmnistlab.plugins.entry_points import Declaration, Scan
from fmnistlab.plugins.loading import load_offer
from fmnistlab.plugins.offers import (
    PLUGINS_VARIABLE,
    Kind,
    Offer,
    choose_offer,
    offers_by_name,
    offers_of_package,
    plugins_are_off,
    scan_offers,
    usable,
)
from fmnistlab.version import __version__

_ROOM: Final = "fmnistlab.data.augmentation"
BUILT_IN: Final = {
    "HorizontalFlip": f"{_ROOM}.flips:HorizontalFlip",
    "AlternatingFlip": f"{_ROOM}.flips:AlternatingFlip",
    "RandomShift": f"{_ROOM}.shift:RandomShift",
    "RandomErasing": f"{_ROOM}.erasing:RandomErasing",
    "RandomAffine": f"{_ROOM}.affine:RandomAffine",
}
"""Names of the augmentations that are built in, and where each is, "module:class"."""

_KIND: Final = Kind(
    "augmentation",
    UnknownAugmentationError,
    AugmentationNameClashError,
    AugmentationLoadError,
    " An augmentation in a file is named as 'my_changes.py:Shake'.",
)


def find_augmentations() -> Mapping[str, tuple[Offer, ...]]:
    """Returns who offers which augmentation, from package metadata alone; nothing is imported.

    Returns:
        Offers by name, in lower case: the built-in ones in their order, then the others, sorted.
    """
    table = _offers(_scan())
    own = [name.lower() for name in BUILT_IN]
    order = [*own, *(name for name in table if name not in own)]
    return MappingProxyType({name: table[name] for name in order})


def unreadable_packages() -> tuple[str, ...]:
    """Returns a sentence for each package whose metadata is damaged; what it offers is missing."""
    return _scan().unreadable


def is_built_in(kind: type) -> bool:
    """Returns whether a class is one of the augmentations that are built in."""
    return BUILT_IN.get(kind.__name__) == f"{kind.__module__}:{kind.__qualname__}"


def augmentation_name(kind: type) -> str:
    """Returns the name under which a file records a class: "HorizontalFlip", "module:Class"."""
    return kind.__name__ if is_built_in(kind) else code_name(kind)


def is_offered(name: str) -> bool:
    """Returns whether an installed package offers, or fmnistlab has, what a file names so.

    Code of a package is imported for it only if the package declares augmentations.

    Args:
        name: what `augmentation_name` returned, somewhere.
    """
    table = _offers(_scan())
    return _is_name(name, table) or _declared(name, table) is not None


def load_augmentation(name: str, run_in: Path | None = None) -> Any:
    """Imports the class of an augmentation, and returns it, whatever it is.

    Args:
        name: of a built-in one or of one that a package offers, in any case; "package:name" chooses
            if two packages claim it. "module:Class" is what the package declares it as.
        run_in: if given, the name is a caller's own word: "module:Class" may be of any module and
            "file.py:Class" of any file, below this folder if it has no other.

    Raises:
        UnknownAugmentationError: there is none of this name.
        AugmentationNameClashError: two packages claim it.
        AugmentationLoadError: its import fails, whatever the code raises.
    """
    own = {known.lower(): known for known in BUILT_IN}
    key = name.lower()
    if key in own:
        declared = Declaration("fmnistlab", __version__, name, BUILT_IN[own[key]])
        return load_offer(_KIND, Offer(key, declared.value, declared.package, declared.version))
    scan = _scan()
    table = _offers(scan)
    found = _declared(name, table)
    if found is not None:
        return found
    if _is_name(name, table):
        return load_offer(_KIND, choose_offer(_KIND, name, table, unreadable=scan.unreadable))
    if run_in is not None and is_code_name(name):
        code = load_code(_KIND, name, run_in)
        if is_file_name(name) and code.path is not None:
            name = f"{code.path.absolute()}:{name.rpartition(':')[2]}"
        _let_be_sent(code.found, name, run_in.absolute())
        return code.found
    others = [known for known, offers in table.items() if known not in own and usable(offers)]
    known = [*BUILT_IN, *others]
    reason = ""
    if is_code_name(name):
        reason = " Code that no package offers is run only for a recipe that you give yourself."
    off = f" Plug-ins are switched off by {PLUGINS_VARIABLE}=0." if plugins_are_off() else ""
    raise UnknownAugmentationError(
        f"Unknown augmentation {name!r}.{suggestion(name, known)} There are {', '.join(known)}."
        f"{reason}{''.join(f' {sentence}.' for sentence in scan.unreadable)}{off}"
    )


def _scan() -> Scan:
    return scan_offers(_KIND)


def _offers(scan: Scan) -> dict[str, tuple[Offer, ...]]:
    own = [Declaration("fmnistlab", __version__, *each) for each in BUILT_IN.items()]
    return offers_by_name(_KIND, [*own, *scan.declarations])


def _is_name(name: str, table: Mapping[str, tuple[Offer, ...]]) -> bool:
    """Returns whether a name is one of an offer, or "package:name"."""
    key = name.lower()
    return not is_file_name(name) and (key in table or bool(offers_of_package(table, key)))


def _declared(name: str, table: Mapping[str, tuple[Offer, ...]]) -> Any:
    """Returns what a package declares as "module:Class", or None.

    A class may be declared where its package shows it, and be defined in a module further inside.
    """
    if not is_code_name(name) or is_file_name(name):
        return None
    offers = [offer for found in table.values() for offer in usable(found) if not offer.is_own]
    for offer in offers:
        if offer.value == name:
            return load_offer(_KIND, offer)
    for offer in offers:
        if _outermost(offer.value) == _outermost(name):
            with contextlib.suppress(AugmentationLoadError):  # it is another one that fails
                kind = load_offer(_KIND, offer)
                if isinstance(kind, type) and code_name(kind) == name:
                    return kind
    return None


def _outermost(name: str) -> str:
    return name.partition(":")[0].partition(".")[0].strip()


def _let_be_sent(kind: Any, name: str, run_in: Path) -> None:
    """Lets objects of a class be sent to another process, which has not run its file yet."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):

        def reduced(change: Any) -> tuple[Any, ...]:
            settings = {f.name: getattr(change, f.name) for f in dataclasses.fields(change)}
            return _made_again, (name, run_in, settings)

        copyreg.pickle(kind, reduced)


def _made_again(name: str, run_in: Path, settings: dict[str, Any]) -> Any:
    return load_augmentation(name, run_in)(**settings)
