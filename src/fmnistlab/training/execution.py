"""How training steps can be executed: the words for it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.foundation.checks import shown
from fmnistlab.foundation.wording import setting

Execution: TypeAlias = Literal["auto", "eager", "recorded", "cuda_graph"]
"""How training steps are executed.

"auto": recorded on the CPU if the model, the optimizer and the callbacks allow it and an epoch is
long enough to repay it, else as "eager".
"eager": as the model is written, operation by operation.
"recorded": recorded once and replayed; an error if that is not possible.
"cuda_graph": captured as a CUDA graph and replayed; an error if that is not possible. Not measured.
"""

EXECUTIONS: Final[tuple[Execution, ...]] = get_args(Execution)
"""All of `Execution`."""

Executed: TypeAlias = Literal["eager", "recorded", "cuda_graph"]
"""How the steps of a fit were executed."""


def checked_execution(execution: str) -> Execution:
    """Returns `execution` if it is one of `EXECUTIONS`.

    Raises:
        ConfigurationError: it is not.
    """
    for known in EXECUTIONS:
        if known == execution:
            return known
    near = suggestion(execution, EXECUTIONS) if isinstance(execution, str) else ""
    raise ConfigurationError(
        f"{setting('execution')} is {shown(execution)}; use one of {', '.join(EXECUTIONS)}.{near}"
    )
