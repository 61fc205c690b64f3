"""Python code that does nothing but compute, told from its source.

A replay skips the Python code of a model. Whatever that code does besides asking torch for
operations, counting its calls for instance, or looking at a pixel, would be skipped too. So only
code whose every name is known to be harmless is skipped; what is not understood is run as it is.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import math
import textwrap
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Final

import torch
from torch import nn

from fmnistlab.training.graph.recording import NotRepeatable

_MODULES: Final = (torch, nn, nn.functional, math)
"""Modules of which functions may be called."""

_BUILTINS: Final = frozenset(
    "abs all any bool divmod enumerate float int isinstance len list max min range reversed round "  # noqa: SIM905 - words
    "sorted str sum super tuple type zip".split()
)

_STATEMENTS: Final = (
    *(ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith, ast.Await, ast.Yield, ast.YieldFrom),
    *(ast.ClassDef, ast.Delete, ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom),
    *(ast.Try, ast.TryStar, ast.With),
)
"""What may change something outside, or hide that something failed."""

_FACTS: Final = frozenset(
    "T H mT mH shape size ndim dtype device is_cuda itemsize is_floating_point functional "  # noqa: SIM905 - words
    "training children modules parameters buffers values items forward".split()
)
"""What may be asked of tensors and modules besides torch's operations."""

_NEVER: Final = frozenset(
    "append backward clear cpu cuda data extend get_gradients grad initial_seed insert item "  # noqa: SIM905 - words
    "manual_seed pop popitem random_ record_stream remove requires_grad_ resize_ retain_grad "
    "reverse save seed set_ set_data setdefault sort update wait warn".split()
)
"""What may not, although torch (or TorchScript, which has lists) has an operation of the name."""

_DATA: Final = (
    *(torch.Tensor, torch.dtype, torch.device, torch.Size),
    *(bool, int, float, complex, str, bytes, type(None)),
)
"""What does nothing by itself; a tensor's content is read anew in each replay."""


def check_code(model: nn.Module, loss: object) -> Callable[[], bool]:
    """Refuses a model or a loss whose code may do more than compute.

    Args:
        model: with all its submodules.
        loss: a function, or a module.

    Returns:
        A function that tells whether the numbers that the code takes from outside are as they were.

    Raises:
        NotRepeatable: some code is not known to be harmless; the text names it.
    """
    modules = [*model.modules(), *(loss.modules() if isinstance(loss, nn.Module) else ())]
    checker = _Checker(modules)
    for module in modules:
        checker.check_module(module)
    if not isinstance(loss, nn.Module):
        checker.check_function(loss)
    return checker.unchanged


class _Checker:
    """Goes through functions, each of them once."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._modules = {*modules}
        self._seen: set[object] = set()
        self._outer: list[tuple[Callable[[], object], object]] = []
        # What `self.name` may mean: anything that some module of the model has under that name.
        self._attributes: dict[str, list[object]] = {}
        for module in self._modules:
            parts = (vars(module), module._parameters, module._buffers, module._modules)
            classes = [vars(kind) for kind in type(module).__mro__ if not _is_layer(kind)]
            for names in (*parts, *(c for c in classes if c is not vars(object))):
                for name, value in names.items():
                    self._attributes.setdefault(name, []).append(value)

    def unchanged(self) -> bool:
        """Returns whether all names from outside still mean the same."""
        return all(read() is value for read, value in self._outer)

    def check_module(self, module: nn.Module) -> None:
        """Refuses a module whose forward method may do more than compute."""
        kind = type(module)
        if "forward" in vars(module) or kind.__call__ is not nn.Module.__call__:
            raise NotRepeatable(f"the forward method of {kind.__name__} was replaced")
        if not _is_layer(inspect.getattr_static(kind, "forward")):
            self.check_function(kind.forward)

    def check_function(self, given: object) -> None:
        """Refuses a function that may do more than compute."""
        if _is_layer(given) or _is_operation(given):
            return
        function = _unwrapped(given)
        if function in self._seen:
            return
        self._seen.add(function)
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        except (OSError, TypeError, SyntaxError, IndexError) as error:
            raise NotRepeatable(f"{_name(given)} has no source that could be read") from error
        if not isinstance(tree, ast.FunctionDef):
            raise NotRepeatable(f"{_name(given)} is no plain function")
        allowed = {"staticmethod", "classmethod", "property"}
        if any(not isinstance(d, ast.Name) or d.id not in allowed for d in tree.decorator_list):
            raise NotRepeatable(f"{_name(given)} is decorated")
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._check_value("default", value, function, immutable=True)
        self._check_body(tree, function)

    def _check_body(self, tree: ast.FunctionDef, function: FunctionType) -> None:
        nodes = [node for statement in tree.body for node in ast.walk(statement)]
        local = {part.arg for part in ast.walk(tree) if isinstance(part, ast.arg)}
        local |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        local |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        annotations = _annotations(nodes)
        for node in nodes:
            if node in annotations:
                continue
            if isinstance(node, _STATEMENTS):
                kind = type(node).__name__.lower()
                raise NotRepeatable(f"{_name(function)} has a statement of kind {kind}")
            if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
                raise NotRepeatable(f"{_name(function)} keeps something")
            if isinstance(node, ast.Attribute):
                self._check_attribute(node.attr, function)
            if isinstance(node, ast.Name) and node.id not in local:
                self._check_name(node.id, function)

    def _check_attribute(self, name: str, function: FunctionType) -> None:
        if name in self._attributes and not hasattr(nn.Module, name):
            for value in self._attributes[name]:
                self._check_value(name, value, function, immutable=False)
            return
        known = hasattr(torch.ops.aten, name) or hasattr(math, name) or name in _FACTS
        private = name.startswith("_") or name in _NEVER
        if private or not (known or _is_layer(getattr(nn.functional, name, None))):
            raise NotRepeatable(
                f"{_name(function)} uses .{name}, which is not known to be harmless"
            )

    def _check_name(self, name: str, function: FunctionType) -> None:
        read = _reader(name, function)
        value = read()
        self._outer.append((read, value))
        self._check_value(name, value, function, immutable=True)

    def _check_value(
        self, name: str, value: object, function: FunctionType, *, immutable: bool
    ) -> None:
        if isinstance(value, property):
            value = value.fget
        value = getattr(value, "__func__", value)  # of a static or class method
        if isinstance(value, FunctionType):
            self.check_function(value)
        elif not self._is_harmless(name, value, immutable=immutable):
            raise NotRepeatable(f"{_name(function)} uses {name}, which is not known to be harmless")

    def _is_harmless(self, name: str, value: object, *, immutable: bool) -> bool:
        """Returns whether using a value does nothing, and nobody can change it unseen."""
        if isinstance(value, tuple) or (isinstance(value, list | dict) and not immutable):
            items = value.values() if isinstance(value, dict) else value
            return all(self._is_harmless(name, item, immutable=immutable) for item in items)
        if isinstance(value, nn.Module | ModuleType):
            return value in self._modules or value in _MODULES
        if isinstance(value, type) and issubclass(value, BaseException):
            return True  # raising one ends the step, and the plain step raises it too
        if getattr(builtins, name, None) is value:
            return name in _BUILTINS
        return isinstance(value, _DATA) or _is_operation(value) or _is_layer(value)


def _unwrapped(given: object) -> FunctionType:
    """Returns the function behind the checks of types that some tests put around it."""
    function = given
    while isinstance(function, FunctionType) and hasattr(function, "__wrapped__"):
        place = function.__code__.co_filename
        if "jaxtyping" not in place and "beartype" not in place:
            raise NotRepeatable(f"{_name(given)} is wrapped by another function")
        function = function.__wrapped__
    if not isinstance(function, FunctionType):
        raise NotRepeatable(f"nobody knows what {_name(given)} does")
    return function


def _reader(name: str, function: FunctionType) -> Callable[[], object]:
    """Returns what looks up a name that a function takes from outside."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    if name in cells:
        cell = cells[name]
        return lambda: cell.cell_contents
    for names in (function.__globals__, vars(builtins)):
        if name in names:
            return lambda: names.get(name)
    raise NotRepeatable(f"{_name(function)} uses the unknown name {name}")


def _annotations(nodes: Iterable[ast.AST]) -> set[ast.AST]:
    """Returns all parts of annotations, which nobody evaluates in a function."""
    found: set[ast.AST] = set()
    for node in nodes:
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            found |= {*ast.walk(node.annotation)}
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            found |= {*ast.walk(node.returns)}
    return found


def _is_layer(value: object) -> bool:
    """Returns whether a class or function is one of torch's own layers or their functions."""
    home = str(getattr(value, "__module__", ""))
    return home.startswith("torch.nn.modules.") or home == "torch.nn.functional"


def _is_operation(value: object) -> bool:
    """Returns whether a value is an operation of torch, such as torch.relu."""
    name = str(getattr(value, "__name__", ""))
    owners = (getattr(home, name, None) for home in (torch, torch._C._nn))
    return name not in _NEVER and hasattr(torch.ops.aten, name) and any(o is value for o in owners)


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", function))
