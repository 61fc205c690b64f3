"""Who offers what under which name: the rules about names, the same for all that packages offer.

A name means the same in any case. The built-in names belong to fmnistlab. Of two other offers of
one name neither wins: asking for it is an error that tells how to get either. Setting the
environment variable FMNISTLAB_PLUGINS to 0 hides what other packages offer.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from fmnistlab.errors import ConfigurationError, FmnistlabError, suggestion
from fmnistlab.plugins.entry_points import Declaration, Scan, normalize_package, scan_packages

PLUGINS_VARIABLE: Final = "FMNISTLAB_PLUGINS"
"""Environment variable; "0" hides the entry points of all packages but fmnistlab itself."""

_OWN_PACKAGE = "fmnistlab"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_NAME_RULE = "a name has letters, digits, '.', '_' and '-' and starts with a letter or a digit"


class Kind(NamedTuple):
    """A kind of things that packages offer, and how their errors are called.

    Attributes:
        word: what one is, such as "model".
        unknown: the error where no package offers the name.
        clash: where several do.
        load: where the offer is refused, or its import fails.
        file_hint: a sentence that says how one in a file is named; "" if none can be.
    """

    word: str
    unknown: type[FmnistlabError]
    clash: type[FmnistlabError]
    load: type[FmnistlabError]
    file_hint: str = ""

    @property
    def group(self) -> str:
        """The entry-point group under which packages declare them, such as "fmnistlab.models"."""
        return f"fmnistlab.{self.word}s"


@dataclasses.dataclass(frozen=True)
class Offer:
    """Who offers something under a name.

    Attributes:
        name: in lower case.
        value: where it is, "module:attribute".
        package: the distribution that declares it, or the module that registered it.
        version: version of the distribution; None for a model registered at run time.
        refusal: why this offer is never used; None for one that can be.
    """

    name: str
    value: str
    package: str
    version: str | None
    refusal: str | None = None

    def __str__(self) -> str:
        if self.version is None:
            return f"module {self.package} (@register_model on '{self.value}')"
        return f"package {self.package} {self.version} (entry point '{self.name} = {self.value}')"

    @property
    def is_own(self) -> bool:
        """Whether fmnistlab itself declares it, as it does what is built in."""
        return self.version is not None and normalize_package(self.package) == _OWN_PACKAGE


def checked_name(kind: Kind, name: str) -> str:
    """Returns the one spelling of a name, or refuses it.

    Args:
        kind: what is named.
        name: in any case.

    Raises:
        ConfigurationError: it has characters that no name can have.
    """
    key = name.lower()
    if not _NAME.fullmatch(key):
        raise ConfigurationError(f"{name!r} cannot be the name of a {kind.word}: {_NAME_RULE}.")
    return key


def plugins_are_off() -> bool:
    """Returns whether the environment hides what other packages offer."""
    return os.environ.get(PLUGINS_VARIABLE, "").strip() == "0"


def scan_offers(kind: Kind) -> Scan:
    """Returns what packages declare of a kind; fmnistlab alone, if plug-ins are off."""
    scan = scan_packages(kind.group)
    return Scan(tuple(filter(is_own, scan.declarations)), ()) if plugins_are_off() else scan


def is_own(declaration: Declaration) -> bool:
    """Returns whether fmnistlab itself declares it, as it does what is built in."""
    return normalize_package(declaration.package) == _OWN_PACKAGE


def usable(offers: Iterable[Offer]) -> list[Offer]:
    """Returns those offers that are not refused."""
    return [offer for offer in offers if offer.refusal is None]


def offers_by_name(
    kind: Kind, declarations: Iterable[Declaration], registered: Iterable[Offer] = ()
) -> dict[str, tuple[Offer, ...]]:
    """Returns all offers of each name, in lower case and sorted, refused ones included.

    Args:
        kind: what is offered.
        declarations: what packages declare; their order is kept.
        registered: what is offered in this process alone.
    """
    declarations = list(declarations)
    built_in = {found.name.lower() for found in declarations if is_own(found)}
    offers: dict[str, list[Offer]] = {}
    for found in declarations:
        name, refusal = found.name.lower(), None
        if not _NAME.fullmatch(name):
            refusal = f"{found.name!r} cannot be the name of a {kind.word}: {_NAME_RULE}"
        elif name in built_in and not is_own(found):
            refusal = (
                f"{name!r} is a built-in {kind.word} of fmnistlab, and no package can take its name"
            )
        offer = Offer(name, found.value, found.package, found.version, refusal)
        others = offers.setdefault(name, [])
        if offer not in others:  # a package may repeat itself, in the same or in another case
            others.append(offer)
    for offer in registered:
        others = offers.setdefault(offer.name, [])
        # A package may decorate the very class that its entry point names: that is one model.
        if all(offer.value != other.value for other in usable(others)):
            others.append(offer)
    return {name: tuple(offers[name]) for name in sorted(offers)}


def choose_offer(
    kind: Kind,
    name: str,
    table: Mapping[str, tuple[Offer, ...]],
    *,
    unreadable: Sequence[str] = (),
    hint: str = "",
) -> Offer:
    """Returns the one offer that a name stands for.

    Args:
        kind: what is asked for.
        name: in any case; "package:name" means the one of that package.
        table: as `offers_by_name` gives it.
        unreadable: a sentence for each package that could not be read.
        hint: said near the end if the name is unknown.

    Raises:
        FmnistlabError: `kind.unknown` if the name is not offered, `kind.clash` if it is by several,
            `kind.load` if only by refused ones.
    """
    key = name.lower()
    offers = table.get(key) or offers_of_package(table, key)
    candidates = usable(offers)
    if len(candidates) > 1:
        raise kind.clash(
            f"The {kind.word} name {name!r} is claimed by {' and by '.join(map(str, candidates))}. "
            f"{_way_out(candidates)}"
        )
    if candidates:
        return candidates[0]
    if offers:
        refused = offers[0]
        raise kind.load(f"The {kind.word} {name!r} of {refused} is refused: {refused.refusal}.")
    known = [known for known, offers in table.items() if usable(offers)]
    reasons = [f"Plug-ins are switched off by {PLUGINS_VARIABLE}=0."] if plugins_are_off() else []
    reasons += [f"{sentence}." for sentence in unreadable]
    raise kind.unknown(
        f"There is no {kind.word} {name!r}.{suggestion(key, known)} "
        f"Known {kind.word}s: {', '.join(known) or 'none'}."
        f"{hint}{''.join(f' {reason}' for reason in reasons)}"
    )


def offers_of_package(table: Mapping[str, tuple[Offer, ...]], key: str) -> tuple[Offer, ...]:
    """Returns what "package:name" stands for.

    Args:
        table: as `offers_by_name` gives it.
        key: in lower case.
    """
    package, _, name = key.partition(":")
    return tuple(
        offer
        for offer in table.get(name, ())
        if normalize_package(offer.package) == normalize_package(package)
    )


def _way_out(candidates: Iterable[Offer]) -> str:
    """Returns what a user can do about a clash; a package may even clash with itself."""
    choices = [f"'{offer.package}:{offer.name}'" for offer in candidates]
    if len(set(choices)) < len(choices):
        return "Tell the authors of the package that claims it twice."
    return f"Ask for {' or '.join(choices)}, or uninstall one of them."
