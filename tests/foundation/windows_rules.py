"""A stand-in for Windows' rules about files, under which the package runs on Linux.

An open or mapped file cannot be deleted, renamed or replaced; folders cannot be opened; some
names cannot be had; and parts of `os` and `signal` do not exist. Files that other processes have
open do not count, and paths keep their slashes.
"""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import re
import signal
import stat
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MISSING_FROM_OS = {
    *("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY", "sched_getaffinity"),
    *("getuid", "geteuid", "getgid", "fchmod", "fchown", "chown", "mkfifo", "mknod", "fork"),
    *("get_blocking", "set_blocking", "statvfs", "uname", "killpg", "openpty", "posix_fadvise"),
}
"""What `os` lacks on Windows in Python 3.11, among what a package like this may use."""

_IMPOSSIBLE = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.I)


def install() -> None:
    """Puts this process under the rules, for good; call it before the package is imported."""
    del signal.SIGHUP
    for name in ("unlink", "remove", "rename", "replace", "rmdir"):
        setattr(os, name, _refusing_open_files(getattr(os, name)))
    real_open = os.open

    def open_file(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if isinstance(path, str | bytes | os.PathLike):
            if os.path.isdir(path):  # noqa: PTH112 - also of bytes
                raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
            _check_name(path)
        return real_open(path, flags, *arguments, **options)

    os.open = open_file
    make = os.mkdir

    def make_folder(path: Any, *arguments: Any, **options: Any) -> None:
        _check_name(path)
        make(path, *arguments, **options)

    os.mkdir = make_folder
    import shutil

    shutil._use_fd_functions = False  # type: ignore[attr-defined] # which opens folders
    _hide_what_is_missing()


def _hide_what_is_missing() -> None:
    """Gives each module of the package an `os` without what Windows lacks."""
    import fmnistlab

    proxy = types.ModuleType("os")
    proxy.__getattr__ = _attribute_of_os  # type: ignore[method-assign] # as in PEP 562
    for found in pkgutil.walk_packages(fmnistlab.__path__, "fmnistlab."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    for name, module in sys.modules.items():
        if name.startswith("fmnistlab") and getattr(module, "os", None) is os:
            module.os = proxy  # type: ignore[attr-defined] # it has one, as just seen


def _attribute_of_os(name: str) -> Any:
    if name in MISSING_FROM_OS:
        raise AttributeError(f"module 'os' has no attribute {name!r} on Windows")
    return getattr(os, name)


def _refusing_open_files(function: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*paths: Any, **options: Any) -> Any:
        for path in paths:
            if isinstance(path, str | bytes | os.PathLike) and _is_open(path):
                reason = "[WinError 32] it is being used by another process"
                raise PermissionError(errno.EACCES, reason, os.fspath(path))
        for path in paths[1:]:
            if isinstance(path, str | bytes | os.PathLike):
                _check_name(path)
        return function(*paths, **options)

    return checked


def _is_open(path: Any) -> bool:
    try:
        facts = os.stat(path)  # noqa: PTH116 - also of bytes
    except OSError:
        return False
    if not stat.S_ISREG(facts.st_mode):
        return False
    return (facts.st_dev, facts.st_ino) in {*_open_files(), *_mapped_files()}


def _open_files() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc/self/fd").iterdir():
        try:
            facts = entry.stat()
        except OSError:  # the one that lists this folder
            continue
        yield facts.st_dev, facts.st_ino


def _mapped_files() -> Iterator[tuple[int, int]]:
    for line in Path("/proc/self/maps").read_text().splitlines():
        _, _, _, device, inode, *_ = line.split()
        major, minor = (int(part, 16) for part in device.split(":"))
        yield os.makedev(major, minor), int(inode)


def _check_name(path: Any) -> None:
    name = os.path.basename(os.fsdecode(path))  # noqa: PTH119 - also of bytes
    if _IMPOSSIBLE.search(name):
        raise OSError(errno.EINVAL, "[WinError 123] the name is incorrect", os.fspath(path))
