"""Models by name: list them, load one, create one, register one's own.

Packages declare models under the entry-point group "fmnistlab.models", our own two included;
scripts and notebooks use `register_model`. Listing reads package metadata and imports nothing. A
name that two packages claim, or a plug-in that fails, is an error only for who asks for it.
A model in a file or a module is named outright: "my_model.py:Net", "package.module:Net".
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from fmnistlab.errors import (
    ConfigurationError,
    ModelLoadError,
    ModelNameClashError,
    ModelOptionError,
    Terminated,
    UnknownModelError,
)
from fmnistlab.foundation.terminal import describe
from fmnistlab.models.code import load_model_code
from fmnistlab.models.options import ModelOption, lacking, options_of, refusal
from fmnistlab.plugins.code import is_code_name, is_file_name, line_in, recorded_code_name
from fmnistlab.plugins.entry_points import Scan, normalize_package
from fmnistlab.plugins.loading import load_offer, type_of
from fmnistlab.plugins.offers import (
    Kind,
    Offer,
    checked_name,
    choose_offer,
    is_own,
    offers_by_name,
    offers_of_package,
    scan_offers,
    usable,
)

if TYPE_CHECKING:  # listing models must not import torch
    from torch import nn

__all__ = [
    "ModelOrigin",
    "ModelReference",
    "Offer",
    "create_model",
    "find_models",
    "list_models",
    "load_model",
    "model_name",
    "model_options",
    "model_origin",
    "model_reference",
    "names_code",
    "register_model",
    "unreadable_packages",
]

_FILE_HINT: Final = " A model in a file is named as 'my_model.py:Net'."
_KIND: Final = Kind("model", UnknownModelError, ModelNameClashError, ModelLoadError, _FILE_HINT)

_REFERENCE = "_fmnistlab_reference"
_ORIGIN = "_fmnistlab_origin"

_Factory = TypeVar("_Factory", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class ModelReference:
    """What was asked of `create_model`.

    Attributes:
        name: the model's name; see `model_name`.
        options: what the factory was given.
    """

    name: str
    options: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class ModelOrigin:
    """Whose code a model is.

    Attributes:
        package: distribution whose entry point led to it; None for the built-in models, for
            `register_model`, and for a model that was not made by `create_model`.
        version: of that distribution.
        code: "module:qualified name" of what made it; "file:qualified name" for a file that was
            named.
        sha256: of the file, if a file or a module was named: 64 hexadecimal digits.
    """

    package: str | None
    version: str | None
    code: str
    sha256: str | None = None

    def __str__(self) -> str:
        if self.package is not None:
            return f"{self.package} {self.version} ({self.code})"
        return self.code if self.sha256 is None else f"{self.code} (SHA-256 {self.sha256[:12]}...)"


class _Found(NamedTuple):
    """What a name leads to: the factory, where it is from in words, what is recorded of it."""

    factory: Callable[..., Any]
    told: str
    origin: ModelOrigin
    path: Path | None


_registered: dict[str, tuple[Offer, Callable[..., Any]]] = {}


def list_models() -> list[str]:
    """Returns the names of all models, sorted; no model, plug-in or torch is imported for it.

    A name that two packages claim is in the list; asking for it tells how to get either.
    """
    return [name for name, sources in find_models().items() if usable(sources)]


def find_models() -> Mapping[str, tuple[Offer, ...]]:
    """Returns who offers which model, from package metadata alone; nothing is imported.

    Returns:
        Sources by name, in lower case and sorted. A name with several sources of which none is
        refused is a clash; a source whose `refusal` is set stands there only to be shown.
    """
    return MappingProxyType(_offers(_scan()))


def unreadable_packages() -> tuple[str, ...]:
    """Returns a sentence for each package whose metadata is damaged; its models are missing."""
    return _scan().unreadable


def load_model(name: str, /) -> Callable[..., nn.Module]:
    """Imports the factory of a model and returns it: a class or function that builds the model.

    Args:
        name: as for `create_model`.

    Raises:
        UnknownModelError: no package offers a model of this name, or there is no such code.
        ModelNameClashError: two packages do.
        ModelLoadError: its import fails, whatever the plug-in raises, or gives no callable.
    """
    return _find(name).factory


def model_options(name: str, /) -> tuple[ModelOption, ...] | None:
    """Returns the options of a model, read from the signature of its class or function.

    Args:
        name: as for `create_model`.

    Returns:
        The options; None if it takes any, or if Python cannot tell.

    Raises:
        UnknownModelError, ModelNameClashError, ModelLoadError: as of `load_model`.
    """
    return options_of(load_model(name))


def create_model(name: str, /, **options: Any) -> nn.Module:
    """Builds a model by name.

    The weights are drawn from torch's global generator; call `torch.manual_seed` before, if they
    shall be the same again.

    Args:
        name: as in `list_models`, in any case; "package:name" chooses if two packages claim it.
            "my_model.py:Net" runs a file, "package.module:Net" imports a module, and takes the
            class or function of that name.
        **options: given to the model's factory; the built-in models take none.

    Returns:
        A module that maps float32 images (batch, 1, 28, 28) to float32 logits (batch, 10);
        `model_reference` tells its name and options.

    Raises:
        UnknownModelError: no package offers a model of this name, or there is no such code.
        ModelNameClashError: two packages do.
        ModelOptionError: the model does not take one of the options.
        ModelLoadError: the model cannot be imported, fails when it is built, or is not a
            torch.nn.Module.
    """
    found = _find(name)
    from torch import nn  # noqa: PLC0415 - listing models must not import torch

    try:
        model = found.factory(**options)
    except (KeyboardInterrupt, Terminated):
        raise
    except BaseException as error:
        wrong = refusal(found.factory, options) if isinstance(error, TypeError) else None
        if wrong is not None:
            raise ModelOptionError(f"Model {found.told} {wrong}") from error
        given = ", ".join(f"{key}={reprlib.repr(value)}" for key, value in options.items())
        raise ModelLoadError(
            f"Model {found.told} could not be built with "
            f"{f'the options {given}' if given else 'no options'}: {describe(error)}"
            f"{line_in(found.path, error)}{_lacking(found, options, error)}"
        ) from error
    if not isinstance(model, nn.Module):
        raise ModelLoadError(
            f"Model {found.told} gave {type_of(model)} where a torch.nn.Module is due"
            f"{'; tell its authors' if found.path is None else ''}."
        )
    # Not the module's own __setattr__: a plug-in may have changed what that does.
    object.__setattr__(model, _REFERENCE, ModelReference(model_name(name), options))
    object.__setattr__(model, _ORIGIN, found.origin)
    return model


def model_name(name: str) -> str:
    """Returns the one spelling of a model's name, in which it is recorded; nothing is looked up.

    Returns:
        The name in lower case; of "folder/my_model.py:Net" the last part, since the place of a
        file determines no training.
    """
    return recorded_code_name(name) if names_code(name) else name.lower()


def names_code(name: str) -> bool:
    """Returns whether a name leads to a file or a module that no package offers as a model.

    Such a name is followed only where a caller gives it. One that comes out of a file is not: who
    wrote the file would choose what runs here.
    """
    return _means_code(name, _offers(_scan())) if is_code_name(name) else False


def model_reference(model: nn.Module) -> ModelReference | None:
    """Returns what `create_model` was asked for when it built this model.

    The note is an attribute of the instance: deep copies keep it, and it is not in the
    `state_dict`. None stands for a model that was built in another way.
    """
    reference = getattr(model, _REFERENCE, None)
    return reference if isinstance(reference, ModelReference) else None


def model_origin(model: nn.Module) -> ModelOrigin:
    """Returns whose code a model is, also of one that was not made by `create_model`."""
    origin = getattr(model, _ORIGIN, None)
    if isinstance(origin, ModelOrigin):
        return origin
    kind = type(model)
    return ModelOrigin(None, None, f"{kind.__module__}:{kind.__qualname__}")


def register_model(name: str) -> Callable[[_Factory], _Factory]:
    """Offers a class or function as a model for as long as this process runs.

    For scripts and notebooks; a package declares its models as entry points of the group
    "fmnistlab.models". Running the same definition again replaces the model, so that a notebook
    cell can be run twice.

    Args:
        name: of the model, in any case: letters, digits, ".", "_" and "-", starting with a letter
            or a digit.

    Returns:
        A decorator that returns what it decorates, unchanged.

    Raises:
        ConfigurationError: the name is not allowed, or the decorated object is neither a class nor
            a function.
        ModelNameClashError: the name belongs to a built-in model, a plug-in, or another definition.
    """
    if not isinstance(name, str):
        raise ConfigurationError(
            "register_model needs the model's name: write @register_model('my-model')."
        )
    key = checked_name(_KIND, name)

    def register(factory: _Factory) -> _Factory:
        qualified_name = getattr(factory, "__qualname__", None)
        if not callable(factory) or qualified_name is None:
            raise ConfigurationError(
                f"@register_model({name!r}) was given {type_of(factory)}; it takes a class or a "
                "function that returns a torch.nn.Module."
            )
        module = factory.__module__
        source = Offer(key, f"{module}:{qualified_name}", module, None)
        for other in usable(find_models().get(key, ())):
            if other.value != source.value:
                raise ModelNameClashError(
                    f"The model name {key!r} is taken by {other}; choose another name for "
                    f"{source.value}."
                )
        _registered[key] = (source, factory)
        return factory

    return register


def registered_factory(name: str) -> Callable[..., Any] | None:
    """Returns what `register_model` has been given under a name in this process, or None.

    Args:
        name: in any case.
    """
    known = _registered.get(name.lower())
    return None if known is None else known[1]


def _scan() -> Scan:
    return scan_offers(_KIND)


def _offers(scan: Scan) -> dict[str, tuple[Offer, ...]]:
    registered = [offer for offer, _ in _registered.values()]
    return offers_by_name(_KIND, scan.declarations, registered)


def _resolve(name: str) -> Offer:
    """Returns the one offer that a name stands for."""
    scan = _scan()
    hint = _FILE_HINT if ".py" in name.lower() else ""
    if not any(map(is_own, scan.declarations)):
        hint += (
            " fmnistlab itself is not installed (Python finds no metadata of it), so its own models"
            " are missing: run 'pip install .' in its source folder."
        )
    return choose_offer(_KIND, name, _offers(scan), unreadable=scan.unreadable, hint=hint)


def _means_code(name: str, table: Mapping[str, tuple[Offer, ...]]) -> bool:
    """Returns whether a name means a file or a module of Python code, and no offer of a package."""
    if is_file_name(name):
        return True
    key = name.lower()
    if not is_code_name(name) or key in table or offers_of_package(table, key):
        return False
    package = normalize_package(key.partition(":")[0])
    declared = (offer for offers in table.values() for offer in offers if offer.version)
    return all(normalize_package(offer.package) != package for offer in declared)


def _find(name: str) -> _Found:
    """Follows a name to what builds the model."""
    if names_code(name):
        code = load_model_code(_KIND, name)
        origin = ModelOrigin(None, None, code.name, code.sha256)
        return _Found(code.found, repr(name), origin, code.path)
    source = _resolve(name)
    told = f"{source.name!r} of {source}"
    if source.version is None or source.is_own:
        origin = ModelOrigin(None, None, source.value)
    else:
        origin = ModelOrigin(source.package, source.version, source.value)
    return _Found(_load(source, told), told, origin, None)


def _lacking(found: _Found, options: Mapping[str, Any], error: BaseException) -> str:
    """Returns what to do if options have to be given that are not."""
    names = lacking(found.factory, options)
    if not names or not isinstance(error, TypeError):
        return ""
    other = "" if found.path is None else ", or name a function that takes no arguments"
    return f". Give the option {' and '.join(names)}{other}."


def _load(offer: Offer, told: str) -> Callable[..., nn.Module]:
    if offer.version is None:
        return _registered[offer.name][1]
    factory = load_offer(_KIND, offer)
    if not callable(factory):
        raise ModelLoadError(
            f"Model {told} is {type_of(factory)}, not a class or function "
            "that builds a torch.nn.Module; tell its authors."
        )
    return factory  # type: ignore[no-any-return] # a stranger's; create_model checks the result
