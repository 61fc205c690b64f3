"""Whether a training gives the same bits once more."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fmnistlab.errors import RunFolderError
from fmnistlab.experiment import ExperimentConfig, run_experiment
from fmnistlab.run_folder import RunFolder
from fmnistlab.run_folder_state import CONFIG, HISTORY_JSON, RESULT
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.epoch_record import EpochRecord
from fmnistlab.training.history import History
from fmnistlab.training.recipe import Recipe
from fmnistlab.training.run import Run


@dataclasses.dataclass(frozen=True)
class Verification:
    """What came of repeating a training.

    Attributes:
        departures: where the repetition differs from the run, in words; empty if nowhere.
        surroundings: what differs between then and now and may be why, in words.
        epochs: epochs that were repeated.
        weights_sha256: of the weights it led to; see `weights_sha256`.
    """

    departures: tuple[str, ...]
    surroundings: tuple[str, ...]
    epochs: int
    weights_sha256: str

    @property
    def matches(self) -> bool:
        """Whether every number was the same."""
        return not self.departures


def verify_run(path: Path, callbacks: Sequence[Callback] = ()) -> Verification:
    """Repeats the training of a run folder and compares every epoch, the weights and the test.

    The repetition ends at the first epoch that differs; it leaves nothing behind.

    Args:
        path: the run folder of a finished training.
        callbacks: watch the repetition.

    Raises:
        RunFolderError: it is no run folder, or its files cannot be read.
        FmnistlabError: the training cannot be repeated here, for lack of the data or the model.
    """
    folder = RunFolder.open(path)
    described, result = folder.read_json(CONFIG), folder.read_json(RESULT)
    text = (path / HISTORY_JSON).read_text(encoding="utf-8")
    comparison = _Comparison(History.from_json(text))
    with tempfile.TemporaryDirectory(prefix="fmnistlab-verify-") as scratch:
        config = _config(path, described, Path(scratch, "run"))
        repeated = run_experiment(config, [*callbacks, comparison])
        now = RunFolder.open(repeated.folder).read_json(CONFIG)
    departures = [
        f"{name}: {described[name]} then, {now[name]} now"
        for name in ("data", "split")
        if described[name] != now[name]
    ]
    departures += comparison.departures
    if not departures:
        departures += [
            f"{name}: {result[name]} then, {repeated.result[name]} now"
            for name in ("weights_sha256", "test")
            if result[name] != repeated.result[name]
        ]
    return Verification(
        tuple(departures),
        tuple(_differing(described, now)),
        len(repeated.trainer.history),
        str(repeated.result["weights_sha256"]),
    )


class _Comparison(Callback):
    """Stops at the first epoch that differs from the one in a history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.departures: list[str] = []

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Compares the epoch, all but its time."""
        if len(self._history) < record.epoch:
            self.departures.append(f"epoch {record.epoch}: was not made then")
        else:
            then = dataclasses.asdict(self._history[record.epoch - 1])
            now = dataclasses.asdict(record)
            self.departures += [
                f"epoch {record.epoch}: {name} {then[name]} then, {now[name]} now"
                for name in now
                if name != "seconds" and then[name] != now[name]
            ]
        if self.departures:
            run.stop("the repetition departs from the run")


def _config(path: Path, described: dict[str, Any], out: Path) -> ExperimentConfig:
    """Returns the settings of a run, as its `config.json` has them."""
    try:
        source = described["data"]["source"]
        return ExperimentConfig(
            model=described["model"]["name"],
            model_options=described["model"]["options"],
            data=None if source == "bundled" else Path(source),
            valid_fraction=described["split"]["valid_fraction"],
            split_seed=described["split"]["seed"],
            recipe=Recipe.from_dict(described["recipe"]),
            seed=described["seed"],
            device=described["device"],
            threads=described["threads"],
            execution=described["execution"],
            out=out,
        )
    except (KeyError, TypeError) as error:
        raise RunFolderError(f"{path / CONFIG}: is incomplete: {error!r}.") from error


def _differing(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{name} {then[group].get(name)} then, {value} now"
        for group in ("versions", "machine")
        for name, value in now[group].items()
        if group in then and then[group].get(name) != value
    ]
