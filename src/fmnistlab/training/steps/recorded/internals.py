"""Names of torch that its documentation does not promise, all of them in this one file.

But for two words that name its compiler, in `foundation/compiler.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch._ops import OpOverload as Kernel
from torch.nn.modules import module as torch_module
from torch.optim import optimizer as torch_optimizer
from torch.utils._python_dispatch import TorchDispatchMode as DispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

__all__ = ["DispatchMode", "Kernel", "tree_leaves", "tree_map_only"]

_MODULE_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def name_of(kernel: Kernel) -> str:
    """Returns the name of an operation without namespace and overload, such as "mm"."""
    return str(kernel.overloadpacket._qualified_op_name).removeprefix("aten::")


def writes_into_arguments(kernel: Kernel) -> bool:
    """Returns whether an operation changes a tensor that it is given."""
    return bool(kernel._schema.is_mutable)


def written_arguments(
    kernel: Kernel, arguments: tuple[Any, ...], options: dict[str, Any]
) -> Iterator[Tensor]:
    """Yields the given tensors that an operation says it writes into."""
    for position, declared in enumerate(kernel._schema.arguments):
        if declared.alias_info is not None and declared.alias_info.is_write:
            given = arguments[position] if position < len(arguments) else options[declared.name]
            yield from (leaf for leaf in tree_leaves(given) if isinstance(leaf, Tensor))


@functools.cache
def writing_overload(kernel: Kernel) -> tuple[Kernel, tuple[str, ...]] | None:
    """Returns the form of an operation that writes into given tensors, and their names.

    Forms that torch generates are left out: they compute as always and then copy.
    """
    wanted = [(argument.name, str(argument.type)) for argument in kernel._schema.arguments]
    for name in kernel.overloadpacket.overloads():
        overload = cast("Kernel", getattr(kernel.overloadpacket, name))
        arguments = overload._schema.arguments
        outputs = tuple(argument.name for argument in arguments if argument.is_out)
        given = [(a.name, str(a.type)) for a in arguments if not a.is_out]
        if outputs and given == wanted and torch.Tag.generated not in overload.tags:
            return overload, outputs
    return None


def bound(kernel: Kernel, /, *arguments: Any, **options: Any) -> functools.partial[Any]:
    """Returns a call of an operation with everything given; it skips what torch does in Python."""
    return functools.partial(getattr(kernel, "_op", kernel), *arguments, **options)


def storage_of(tensor: Tensor) -> int:
    """Returns a number that tensors have in common if they share memory."""
    return int(tensor.untyped_storage()._cdata)


def hooked(modules: Iterable[nn.Module], optimizer: torch.optim.Optimizer) -> str | None:
    """Returns who has hooks, in words, or None: modules, parameters and the optimizer are asked."""
    if any(getattr(torch_module, "_global" + hooks) for hooks in _MODULE_HOOKS):
        return "there are hooks for all modules"
    for module in modules:
        name = type(module).__name__
        if any(getattr(module, hooks) for hooks in _MODULE_HOOKS):
            return f"{name} has hooks"
        if module._compiled_call_impl is not None:
            return f"{name} is compiled"
        for parameter in module.parameters(recurse=False):
            if parameter._backward_hooks or parameter._post_accumulate_grad_hooks:
                return f"a parameter of {name} has hooks"
    if (
        torch_optimizer._global_optimizer_pre_hooks
        or torch_optimizer._global_optimizer_post_hooks
        or optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
    ):
        return "the optimizer has hooks"
    return None


def steps_as_its_class(optimizer: torch.optim.Optimizer) -> bool:
    """Returns whether `optimizer.step` is that of its class, but for the note of a schedule."""
    step = vars(optimizer).get("step")
    noted = hasattr(step, "_wrapped_by_lr_sched") and inspect.isfunction(step)
    return step is None or (noted and vars(step)["__wrapped__"] is type(optimizer).step)


def is_watched() -> bool:
    """Returns whether a profiler or a mode watches torch's operations."""
    return bool(torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack())


class FusedUpdate(NamedTuple):
    """How an optimizer of torch moves weights on the CPU: one kernel, and what it needs.

    Attributes:
        averages: names of the state tensors that have the shape of a parameter.
        run: takes weights, gradients, averages (one vector each), the number of steps and the
            settings of the parameter group.
    """

    averages: tuple[str, ...]
    run: Callable[[Tensor, Tensor, list[Tensor], Tensor, dict[str, Any]], object]


def _adam(kernel: Callable[..., object]) -> FusedUpdate:
    def run(
        weights: Tensor, gradients: Tensor, averages: list[Tensor], steps: Tensor, group: Any
    ) -> None:
        steps += 1
        kernel(
            *([weights], [gradients], averages[:1], averages[1:], [], [steps]),
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=group["maximize"],
        )

    return FusedUpdate(("exp_avg", "exp_avg_sq"), run)


def _sgd(kernel: Callable[..., object]) -> FusedUpdate:
    def run(
        weights: Tensor, gradients: Tensor, averages: list[Tensor], _: Tensor, group: Any
    ) -> None:
        kernel(
            *([weights], [gradients], averages if group["momentum"] else []),
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=0.0,
            nesterov=group["nesterov"],
            maximize=group["maximize"],
            is_first_step=False,  # an average of zeros gives the same
        )

    return FusedUpdate(("momentum_buffer",), run)


@functools.cache
def fused_updates() -> dict[type[torch.optim.Optimizer], FusedUpdate]:
    """Returns the updates of torch's optimizers, as far as this torch has their kernels."""
    known = (
        (torch.optim.Adam, "_fused_adam_", _adam),
        (torch.optim.AdamW, "_fused_adamw_", _adam),
        (torch.optim.SGD, "_fused_sgd_", _sgd),
    )
    return {
        kind: make(getattr(torch, kernel)) for kind, kernel, make in known if hasattr(torch, kernel)
    }


def mark_step_made(optimizer: torch.optim.Optimizer) -> None:
    """Tells a schedule that a step was made; it would warn if it had not seen `step()` called."""
    optimizer._opt_called = True  # type: ignore[attr-defined] # torch's own mark
