"""Parts that are known to differ, with what happens. It should be empty."""

from __future__ import annotations

from tests.parts.row import DEFAULT, PLAIN

_CHECKPOINT = "a checkpoint cannot hold the optimizer's state"
_GROUPS = "a checkpoint does not hold which groups there are"
_RATES = "the schedule does not take the optimizer's own rates"
_GENERATOR = "the first look at the data draws from the loader's generator"
_LOSS = "the measure depends on how the data is cut"
_SILENT = "it is taken without a word"
_RAW = "it ends in an error of torch"

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
    (PLAIN, _GENERATOR): [
        "DataLoader, `RandomSampler` with a generator",
        "DataLoader, `WeightedRandomSampler`",
        "DataLoader, `SubsetRandomSampler`",
        "DataLoader, a `batch_sampler` that shuffles",
    ],
    (PLAIN, _LOSS): [
        "`nn.CrossEntropyLoss(weight=...)`, reported",
        "label -100 (`ignore_index`), reported",
        "label -100 (`ignore_index`), accuracy",
    ],
    (PLAIN, _SILENT): [
        "`predict` with a `batch_sampler` that shuffles",
        "a loss with parameters of its own",
        "float pixels from 0 to 255",
        "int64 pixels",
        "Boolean pixels",
    ],
    (PLAIN, _RAW): [
        "a label beyond the scores",
        "`model.double()`",
        "batch norm in batches of one image",
    ],
}

FINDINGS: dict[tuple[str, str], str] = {
    (part, way): reason
    for (first, reason), parts in _KNOWN.items()
    for part in parts
    for way in {first, DEFAULT}
}
"""What happens, by part and way; what differs in plain steps differs in all."""
