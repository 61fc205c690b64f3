"""Keyword arguments that do not exist: told what they are called here, or the nearest that do."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from fmnistlab.errors import UnknownArgumentError, suggestion

_Callable = TypeVar("_Callable", bound=Callable[..., Any])


def _setting(name: str) -> str:
    return f"it is a setting of the recipe: Trainer(model, Recipe({name}=...))"


_CALLED_EPOCHS = dict.fromkeys(["nb_epoch", "max_epochs", "n_epochs", "num_epochs"], "it is epochs")
_CALLED_SEED = dict.fromkeys(["random_state", "random_seed"], "it is seed")
_CALLED_RATE = dict.fromkeys(["lr", "learning_rate_init"], "it is learning_rate")

TRAINER: Final = {
    **{name: _setting(name) for name in ("batch_size", "optimizer", "learning_rate", "loss")},
    **{name: _setting(name) for name in ("weight_decay", "schedule", "augmentation")},
    **dict.fromkeys(["lr", "learning_rate_init"], _setting("learning_rate")),
    **dict.fromkeys(["criterion", "loss_fn", "loss_function"], _setting("loss")),
    **dict.fromkeys(["scheduler", "lr_scheduler"], _setting("schedule")),
    **dict.fromkeys(["epochs", *_CALLED_EPOCHS], "give it to fit(train, epochs=...)"),
    **dict.fromkeys(["accelerator", "devices", "gpus", "cuda"], "it is device"),
    **dict.fromkeys(["verbose", "progress_bar"], "add callbacks.ProgressBar() to callbacks"),
    **dict.fromkeys(["logger"], "add callbacks.LogLines() or callbacks.CsvLog(path) to callbacks"),
    **dict.fromkeys(["metrics"], "loss and accuracy are always measured"),
    **dict.fromkeys(["module", "net", "network"], "it is model"),
    **_CALLED_SEED,
}
"""Words for `Trainer`, from Keras, Lightning, skorch and scikit-learn."""

FIT: Final = {
    **dict.fromkeys(
        ["validation_data", "val_data", "valid_data", "validation_set", "val_dataloaders"],
        "it is valid: fit(train, valid)",
    ),
    **dict.fromkeys(
        ["validation_split", "val_split"], "split the data first: fit(*train.split(0.2))"
    ),
    **dict.fromkeys(["callbacks", "verbose"], "give callbacks to Trainer(model, callbacks=[...])"),
    **dict.fromkeys(["seed", "device"], "it is a setting of Trainer"),
    **{name: _setting(name) for name in ("batch_size", "learning_rate", "optimizer", "loss")},
    **dict.fromkeys(
        ["ckpt_path", "checkpoint", "resume", "resume_from_checkpoint"], "it is resume_from"
    ),
    **dict.fromkeys(["train_dataloaders", "train_data", "x", "X", "dataset"], "it is train"),
    "shuffle": "each epoch has an order of its own, which the seed determines",
    "initial_epoch": "a second fit goes on where the last one ended",
    **_CALLED_EPOCHS,
}
"""Words for `Trainer.fit`."""

RECIPE: Final = {
    **dict.fromkeys(["criterion", "loss_fn", "loss_function"], "it is loss"),
    **dict.fromkeys(["scheduler", "lr_scheduler"], "it is schedule"),
    **dict.fromkeys(["smoothing", "label_smooth"], "it is label_smoothing"),
    **dict.fromkeys(["augment", "augmentations", "transform"], "it is augmentation"),
    **dict.fromkeys(["seed", "device", "callbacks", "execution"], "it is a setting of Trainer"),
    **dict.fromkeys(
        ["clipnorm", "max_norm", "gradient_clip_val", "max_grad_norm"], "it is clip_norm"
    ),
    **dict.fromkeys(["clipvalue"], "it is clip_value"),
    **dict.fromkeys(
        ["accumulate_grad_batches", "gradient_accumulation_steps"],
        "it is accumulation_steps, the parts of a batch of batch_size images",
    ),
    **dict.fromkeys(["ema", "ema_momentum", "use_ema"], "it is ema_decay"),
    **dict.fromkeys(["warmup", "warmup_steps", "num_warmup_steps"], "it is warmup_epochs"),
    **dict.fromkeys(["class_weight"], "it is class_weights"),
    **dict.fromkeys(["amp", "mixed_precision", "autocast"], "it is precision"),
    **dict.fromkeys(["param_groups"], "it is parameter_rules"),
    **dict.fromkeys(
        ["betas", "eps", "amsgrad"],
        "give a function that makes the optimizer: optimizer=lambda parameters: ...",
    ),
    **_CALLED_RATE,
    **_CALLED_EPOCHS,
}
"""Words for `Recipe`."""

DATA_SET: Final = {
    **dict.fromkeys(["root", "file", "filename", "csv_file"], "it is path"),
    **dict.fromkeys(
        ["train", "download", "split"],
        'the real data is in the package: FashionMNISTCSV.bundled("train") or .bundled("test")',
    ),
}
"""Words for `FashionMNISTCSV`, from torchvision."""

SPLIT: Final = {
    **dict.fromkeys(
        ["test_size", "val_size", "fraction", "validation_split"], "it is valid_fraction"
    ),
    "stratify": "every split keeps the share of each class",
    **_CALLED_SEED,
}
"""Words for `FashionMNISTCSV.split`, from scikit-learn."""


def foreign_words(words: Mapping[str, str]) -> Callable[[_Callable], _Callable]:
    """Makes a function, or the constructor of a class, explain keyword arguments it does not have.

    What it accepts stays the same; only a call that Python would refuse is refused in other words.

    Args:
        words: names that people bring from other libraries, each with what to write instead.

    Returns:
        The decorator. The function that it returns raises `UnknownArgumentError`.
    """

    def decorate(target: _Callable) -> _Callable:
        if inspect.isclass(target):
            constructor = _explaining(target.__init__, target.__name__, words)
            target.__init__ = constructor  # type: ignore[method-assign] # the class stays itself
            return target
        return _explaining(target, target.__qualname__, words)

    return decorate


def _explaining(function: _Callable, name: str, words: Mapping[str, str]) -> _Callable:
    known = [*inspect.signature(function).parameters][1:]

    @functools.wraps(function)
    def explaining(*args: Any, **options: Any) -> Any:
        unknown = next((option for option in options if option not in known), None)
        if unknown is None:
            return function(*args, **options)
        said = words.get(unknown)
        told = f"; here {said}." if said else f".{suggestion(unknown, known)}"
        raise UnknownArgumentError(f"{name} has no argument {unknown!r}{told}")

    return explaining  # type: ignore[return-value] # it is called as the function is
