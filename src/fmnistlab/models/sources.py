"""Who offers which model: the rules about names, without a look at the world.

A name means the same in any case. The names of the built-in models belong to fmnistlab. Of two
other offers of one name neither wins: asking for it is an error that tells how to get either.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping

from fmnistlab.errors import (
    ConfigurationError,
    ModelLoadError,
    ModelNameClashError,
    UnknownModelError,
    suggestion,
)
from fmnistlab.models.code import is_code_name, is_file_name
from fmnistlab.models.entry_points import Declaration, normalize_package

_OWN_PACKAGE = "fmnistlab"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_NAME_RULE = "a name has letters, digits, '.', '_' and '-' and starts with a letter or a digit"


@dataclasses.dataclass(frozen=True)
class ModelSource:
    """Who offers a model under a name.

    Attributes:
        name: the model's name in lower case.
        value: where its factory is, "module:attribute".
        package: the distribution that declares it, or the module that registered it.
        version: version of the distribution; None for a model registered at run time.
        refusal: why this source is never used; None for one that can be.
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


def model_key(name: str) -> str:
    """Returns the one spelling of a model's name, or refuses it.

    Args:
        name: in any case.

    Raises:
        ConfigurationError: it has characters that the name of a model cannot have.
    """
    key = name.lower()
    if not _NAME.fullmatch(key):
        raise ConfigurationError(f"{name!r} cannot be the name of a model: {_NAME_RULE}.")
    return key


def is_own(declaration: Declaration) -> bool:
    """Returns whether fmnistlab itself declares it, as it does for the built-in models."""
    return normalize_package(declaration.package) == _OWN_PACKAGE


def usable(sources: Iterable[ModelSource]) -> list[ModelSource]:
    """Returns those sources that are not refused."""
    return [source for source in sources if source.refusal is None]


def sources_by_name(
    declarations: Iterable[Declaration], registered: Iterable[ModelSource]
) -> dict[str, tuple[ModelSource, ...]]:
    """Returns all offers of each name, in lower case and sorted, refused ones included.

    Args:
        declarations: what packages declare; their order is kept.
        registered: what `register_model` was used on.
    """
    declarations = list(declarations)
    built_in = {found.name.lower() for found in declarations if is_own(found)}
    sources: dict[str, list[ModelSource]] = {}
    for found in declarations:
        name, refusal = found.name.lower(), None
        if not _NAME.fullmatch(name):
            refusal = f"{found.name!r} cannot be the name of a model: {_NAME_RULE}"
        elif name in built_in and not is_own(found):
            refusal = f"{name!r} is a built-in model of fmnistlab, and no package can take its name"
        source = ModelSource(name, found.value, found.package, found.version, refusal)
        others = sources.setdefault(name, [])
        if source not in others:  # a package may repeat itself, in the same or in another case
            others.append(source)
    for source in registered:
        others = sources.setdefault(source.name, [])
        # A package may decorate the very class that its entry point names: that is one model.
        if all(source.value != other.value for other in usable(others)):
            others.append(source)
    return {name: tuple(sources[name]) for name in sorted(sources)}


def choose_source(
    name: str, table: Mapping[str, tuple[ModelSource, ...]], *, hint: str = ""
) -> ModelSource:
    """Returns the one source that a name stands for.

    Args:
        name: in any case; "package:name" means the model of that package.
        table: as `sources_by_name` gives it.
        hint: said at the end if the name is unknown.

    Raises:
        UnknownModelError: the name is not offered.
        ModelNameClashError: several do.
        ModelLoadError: only sources that are refused do.
    """
    key = name.lower()
    sources = table.get(key) or _sources_of_package(table, key)
    candidates = usable(sources)
    if len(candidates) > 1:
        raise ModelNameClashError(
            f"The model name {name!r} is claimed by {' and by '.join(map(str, candidates))}. "
            f"{_way_out(candidates)}"
        )
    if candidates:
        return candidates[0]
    if sources:
        refused = sources[0]
        raise ModelLoadError(f"The model {name!r} of {refused} is refused: {refused.refusal}.")
    known = [known for known, offers in table.items() if usable(offers)]
    raise UnknownModelError(
        f"There is no model {name!r}.{suggestion(key, known)} "
        f"Known models: {', '.join(known) or 'none'}.{hint}"
    )


def means_code(name: str, table: Mapping[str, tuple[ModelSource, ...]]) -> bool:
    """Returns whether a name means a file or a module of Python code, and no offer of a package.

    Args:
        name: in any case.
        table: as `sources_by_name` gives it.
    """
    if is_file_name(name):
        return True
    key = name.lower()
    if not is_code_name(name) or key in table or _sources_of_package(table, key):
        return False
    package = normalize_package(key.partition(":")[0])
    declared = (source for offers in table.values() for source in offers if source.version)
    return all(normalize_package(source.package) != package for source in declared)


def _sources_of_package(
    table: Mapping[str, tuple[ModelSource, ...]], key: str
) -> tuple[ModelSource, ...]:
    """Returns what "package:name" stands for."""
    package, _, name = key.partition(":")
    return tuple(
        source
        for source in table.get(name, ())
        if normalize_package(source.package) == normalize_package(package)
    )


def _way_out(candidates: Iterable[ModelSource]) -> str:
    """Returns what a user can do about a clash; a package may even clash with itself."""
    choices = [f"'{source.package}:{source.name}'" for source in candidates]
    if len(set(choices)) < len(choices):
        return "Tell the authors of the package that claims it twice."
    return f"Ask for {' or '.join(choices)}, or uninstall one of them."
