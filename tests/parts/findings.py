"""Parts that are known to differ, with what happens. It should be empty."""

from __future__ import annotations

from tests.parts.row import DEFAULT, PLAIN

_CHECKPOINT = "a checkpoint cannot hold the optimizer's state"
_GROUPS = "a checkpoint does not hold which groups there are"
_RATES = "the schedule does not take the optimizer's own rates"

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
}

FINDINGS: dict[tuple[str, str], str] = {
    (part, way): reason
    for (first, reason), parts in _KNOWN.items()
    for part in parts
    for way in {first, DEFAULT}
}
"""What happens, by part and way; what differs in plain steps differs in all."""
