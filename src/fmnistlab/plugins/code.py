"""Code that is named outright: "my_model.py:Net", or "package.module:Net".

Loading it runs its file. So only a caller's own word leads here, never a name out of a file that a
training has written.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

from fmnistlab.errors import Terminated, suggestion
from fmnistlab.foundation.regular_file import read_regular_file
from fmnistlab.foundation.terminal import describe
from fmnistlab.plugins.loading import untouched_randomness
from fmnistlab.plugins.offers import Kind

_LARGEST_FILE = 2**24
_MOST_LISTED = 10
_loaded: dict[str, str] = {}
"""SHA-256 of the file that each module of ours was made from."""


class NamedCode(NamedTuple):
    """What a name of code leads to.

    Attributes:
        found: what stands there, whatever it is.
        name: "file:attribute" without the folder, or "module:attribute".
        path: the file that was named or that holds the module; None if there is none.
        sha256: of that file, 64 hexadecimal digits; None without a file.
    """

    found: Any
    name: str
    path: Path | None
    sha256: str | None


def is_file_name(name: str) -> bool:
    """Returns whether "place:attribute" names a file of Python code as its place."""
    return name.rpartition(":")[0].lower().endswith(".py")


def is_code_name(name: str) -> bool:
    """Returns whether a name has the form "file.py:attribute" or "module:attribute"."""
    place, _, attribute = name.rpartition(":")
    return _is_dotted(attribute) and (is_file_name(name) or _is_dotted(place))


def recorded_code_name(name: str) -> str:
    """Returns a name of code without the folder: where a file lies determines no training."""
    place, _, attribute = name.rpartition(":")
    return f"{Path(place).name if is_file_name(name) else place}:{attribute}"


def code_name(thing: Any) -> str:
    """Returns by which name a class or function can be loaded again.

    Returns:
        "module:qualified name"; "file:qualified name" if it is of a file that was run.
    """
    place = str(thing.__module__)
    file = getattr(sys.modules.get(place), "__file__", None) if place in _loaded else None
    return f"{place if file is None else Path(file).name}:{thing.__qualname__}"


def load_code(kind: Kind, name: str, folder: Path | None = None) -> NamedCode:
    """Runs a file, or imports a module, and returns what it calls `attribute`.

    A file is run as a module of its own name; the modules beside it can be imported meanwhile. It
    is run again only when its content is another.

    Args:
        kind: what is asked for.
        name: of the form that `is_code_name` tells.
        folder: where files and modules that are not installed are; None for the working folder.

    Raises:
        FmnistlabError: `kind.unknown`, there is no such file, module or attribute; `kind.load`, the
            code fails.
    """
    place, _, attribute = name.rpartition(":")
    path: Path | None
    if is_file_name(name):
        path = Path(place)
        with contextlib.suppress(RuntimeError):  # "~" of a user that this system does not know
            path = path.expanduser()
        path = path if folder is None else folder / path
        content = _read(kind, name, path)
        sha256: str | None = _sha256(content)
        module = _run_file(kind, name, path, content)
    else:
        module = _import_module(kind, name, place, folder or Path.cwd())
        path, sha256 = _source_of(module)
    try:
        found: Any = functools.reduce(getattr, attribute.split("."), module)
    except AttributeError as error:
        own = [key for key, value in vars(module).items() if _is_defined_in(module, value)]
        offered = f" It has {', '.join(sorted(own)[:_MOST_LISTED])}." if own else ""
        raise kind.unknown(
            f"There is no {kind.word} {name!r}: {place} has no {attribute!r}."
            f"{suggestion(attribute, own)}{offered}"
        ) from error
    return NamedCode(found, recorded_code_name(name), path, sha256)


def line_in(path: Path | None, error: BaseException) -> str:
    """Returns " (my_model.py, line 7)": where in a file an error came up; "" if not in it."""
    if path is None:
        return ""
    inner = {str(path), str(path.resolve())}
    numbers = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename in inner
    ]
    return f" ({path.name}, line {numbers[-1]})" if numbers else ""


class _Content(importlib.abc.SourceLoader):
    """Runs exactly the bytes that were hashed; nothing is written beside the file."""

    def __init__(self, path: str, content: bytes) -> None:
        self._path = path
        self._content = content

    def get_filename(self, fullname: str) -> str:
        return self._path

    def get_data(self, path: str | os.PathLike[str]) -> bytes:
        if os.fspath(path) != self._path:
            raise OSError("no bytecode is kept")
        return self._content


def _read(kind: Kind, name: str, path: Path) -> bytes:
    try:
        return read_regular_file(path, limit=_LARGEST_FILE, follow_links=True)
    except OSError as error:
        beside: list[str] = []
        with contextlib.suppress(OSError, ValueError):
            beside = [found.name for found in path.parent.glob("*.py")]
        near = suggestion(path.name, beside) if isinstance(error, FileNotFoundError) else ""
        raise kind.unknown(
            f"There is no {kind.word} {name!r}: {path}: cannot be read: {error.strerror}.{near}"
        ) from error


def _run_file(kind: Kind, name: str, path: Path, content: bytes) -> ModuleType:
    # By the place alone, not by the content: what the file registers under a name is then the
    # same definition when it is run again.
    real = path.resolve()
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:12]
    inner = f"_fmnistlab_{digest}_" + re.sub(r"\W", "_", path.stem)
    sha256 = _sha256(content)
    if inner in sys.modules and _loaded.get(inner) == sha256:
        return sys.modules[inner]
    loader = _Content(str(real), content)
    spec = importlib.machinery.ModuleSpec(inner, loader, origin=str(real))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(inner)
    sys.modules[inner] = module  # dataclasses and annotations look there for what they name
    try:
        with untouched_randomness(), _importable(real.parent, forget=True):
            loader.exec_module(module)
    except BaseException as error:  # noqa: BLE001 - told as the error of this code
        sys.modules.pop(inner)
        if before is not None:
            sys.modules[inner] = before
        _raise_failure(kind, name, real, error)
    _loaded[inner] = sha256
    return module


def _import_module(kind: Kind, name: str, place: str, folder: Path) -> ModuleType:
    try:
        with untouched_randomness(), _importable(folder, forget=False):
            return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{place}.".startswith(f"{error.name}."):
            raise kind.unknown(
                f"There is no {kind.word} {name!r}: no package {place!r} offers it, and there is "
                f"no module {error.name!r}.{kind.file_hint}"
            ) from error
        _raise_failure(kind, name, None, error)
    except BaseException as error:  # noqa: BLE001 - a stranger's code may raise anything
        _raise_failure(kind, name, None, error)


def _raise_failure(kind: Kind, name: str, path: Path | None, error: BaseException) -> NoReturn:
    if isinstance(error, KeyboardInterrupt | Terminated):
        raise error
    where = line_in(path or _innermost_file(error), error)
    raise kind.load(
        f"{kind.word.capitalize()} {name!r} could not be imported: {describe(error)}{where}."
    ) from error


def _innermost_file(error: BaseException) -> Path | None:
    """Returns the file in which an import failed, other than those of the importing itself."""
    names = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [name for name in names if not name.startswith("<")][1:]
    found = [name for name in ours if Path(name).parent.name != "importlib"]
    return Path(found[-1]) if found else None


def _source_of(module: ModuleType) -> tuple[Path | None, str | None]:
    file = getattr(module, "__file__", None)
    if file is None:
        return None, None
    with contextlib.suppress(OSError):
        content = read_regular_file(file, follow_links=True)
        return Path(file), _sha256(content)
    return Path(file), None


@contextlib.contextmanager
def _importable(folder: Path, *, forget: bool) -> Iterator[None]:
    """Lets modules of a folder be imported for a while, after all others.

    Args:
        folder: comes last, so that no file in it stands in for a module of an installed package.
        forget: whether modules that were imported from there are to have no name afterwards: two
            folders may have modules of the same names.
    """
    if any(Path(entry or ".").resolve() == folder.resolve() for entry in sys.path):
        yield
        return
    before = set(sys.modules)
    sys.path.append(str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the code may have removed it itself
            sys.path.remove(str(folder))
        if forget:
            for key in [*set(sys.modules) - before]:
                file = getattr(sys.modules[key], "__file__", None)
                if file is not None and folder in Path(file).parents:
                    del sys.modules[key]


def _is_defined_in(module: ModuleType, value: object) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module.__name__


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))
