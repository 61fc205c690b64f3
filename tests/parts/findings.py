"""Parts that are known to differ, with what happens. It should be empty."""

from __future__ import annotations

from tests.parts.row import DEFAULT, PLAIN

_CHECKPOINT = "a checkpoint cannot hold the optimizer's state"
_GROUPS = "a checkpoint does not hold which groups there are"
_RATES = "the schedule does not take the optimizer's own rates"
_COLUMNS = "the recorded step lays weights out by columns"
_FIXED = "the recorded step does not look again"

_KNOWN: dict[tuple[str, str], list[str]] = {
    (PLAIN, _CHECKPOINT): [
        "`torch.optim.LBFGS`",
        "pytorch-optimizer: `SOAP`",
        "pytorch-optimizer: `Lookahead` around AdamW",
    ],
    (PLAIN, _GROUPS): [
        "unfreezing by `add_param_group`, Adam",
        "unfreezing by `add_param_group`, SGD",
        "a parameter group split in a callback",
    ],
    (PLAIN, _RATES): ['`schedule="one_cycle"` over two rates of one\'s own'],
    (DEFAULT, _COLUMNS): [
        "`parameters_to_vector` after each batch",
        "`vector_to_parameters` in a callback",
        "`p.grad.view(-1)` after each batch",
        "noise added to the weights after each batch",
        "`torch.nn.utils.prune` in a callback",
        "`prune.remove` in a callback",
        "`safetensors.torch.save_file` in a callback",
        "a layer initialized anew in epoch 2",
    ],
    (DEFAULT, _FIXED): [
        "`optimizer.state.clear()` in a callback",
        "a parameter group removed in a callback",
        "clipping: a step pre-hook set in epoch 2",
        "a step post-hook that changes weights",
        "views of weights, taken before the fit",
        "a parameter replaced in epoch 2",
    ],
}

FINDINGS: dict[tuple[str, str], str] = {
    (part, way): reason
    for (first, reason), parts in _KNOWN.items()
    for part in parts
    for way in {first, DEFAULT}
}
"""What happens, by part and way; what differs in plain steps differs in all."""
