"""What Optuna does in a search, and nobody else: it proposes settings, and keeps the trials.

A round of trials is asked for at once. What is proposed is a function of the seed, of the trials of
earlier rounds, and of those before it in its own round: each question goes to a new study that
holds these trials, with a sampler seeded for the number of the trial. So a search that was stopped
asks the same questions again and gets the same answers, whichever of the round had finished.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from fmnistlab import seeding
from fmnistlab.errors import MissingExtraError, RunFolderError
from fmnistlab.experiments.searching.space import Dimension, Space
from fmnistlab.foundation.terminal import describe

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution, CategoricalChoiceType
    from optuna.storages.journal import JournalFileOpenLock
    from optuna.trial import FrozenTrial

JOURNAL: Final = "journal.log"
"""Name of Optuna's journal in the folder of a search."""

ToldState: TypeAlias = Literal["done", "pruned", "failed"]
"""How a trial ended: trained to its end, stopped because others did better, or by an error."""

_STUDY: Final = "fmnistlab"
_KEY: Final = "search"


def optuna_version() -> str:
    """Returns the version of Optuna.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import optuna  # noqa: PLC0415 - optional, and slow to import
    except ImportError as error:
        raise MissingExtraError(
            "a search needs Optuna: python -m pip install 'fmnistlab[search]'"
        ) from error
    return str(optuna.__version__)


class Round:
    """Some trials that are asked for at once.

    Args:
        space: what they choose from.
        seed: of the search.
        earlier: all trials of earlier rounds, in their order.
        size: how many are wanted.

    Attributes:
        settings: of each trial, by name.
    """

    def __init__(self, space: Space, seed: int, earlier: Sequence[FrozenTrial], size: int) -> None:
        from optuna.samplers import TPESampler  # noqa: PLC0415 - optional, and slow to import

        self._study = _study(earlier)
        self._asked: list[Trial] = []
        for number in range(len(earlier), len(earlier) + size):
            self._study.sampler = TPESampler(
                # numpy's generator takes 32 bits.
                seed=seeding.derive_seed(seed, "sampler", number) % 2**32
            )
            self._asked.append(self._study.ask(_distributions(space)))
        self.settings: list[dict[str, Any]] = [
            {one.name: _value(one, trial.params[one.name]) for one in space.dimensions}
            for trial in self._asked
        ]

    def told(
        self,
        place: int,
        state: ToldState,
        values: Mapping[int, float],
        facts: Mapping[str, Any],
    ) -> FrozenTrial:
        """Returns a trial with what came of it.

        Args:
            place: which of the round, from 0.
            state: how it ended.
            values: validation accuracy after each epoch, by the number of the epoch, from 1.
            facts: what else is to be known, values of JSON.
        """
        from optuna.trial import TrialState  # noqa: PLC0415 - optional, and slow to import

        trial = self._asked[place]
        for name, fact in facts.items():
            trial.set_user_attr(name, fact)
        for epoch, value in values.items():
            trial.report(value, epoch)
        states = {
            "done": TrialState.COMPLETE,
            "pruned": TrialState.PRUNED,
            "failed": TrialState.FAIL,
        }
        last = values[max(values)] if state == "done" else None
        return self._study.tell(trial, last, state=states[state])


class MedianTrial:
    """A trial that is not worth to go on with once it is below the median of the earlier ones.

    It may travel to another process, and learns there from `report` how its trial does.

    Args:
        earlier: all trials of earlier rounds.
        spared: the first epochs, after which it always is.
    """

    def __init__(self, earlier: Sequence[FrozenTrial], spared: int) -> None:
        self._earlier = tuple(earlier)
        self._spared = spared
        self._values: dict[int, float] = {}

    def report(self, value: float, step: int) -> None:
        """Takes the value of an epoch."""
        self._values[step] = value

    def should_prune(self) -> bool:
        """Returns whether others did better: more than half of five trials or more."""
        if max(self._values, default=0) <= self._spared:
            return False
        trial = _study(self._earlier).ask()
        for step, value in self._values.items():
            trial.report(value, step)
        return bool(trial.should_prune())  # numpy's own, at times


class Journal:
    """The trials that are over, as Optuna's journal keeps them in a file; one line for each.

    Only one process may have it; a search locks its folder for that.

    Args:
        folder: of the search.
        key: of the search, which the journal must be of.

    Raises:
        RunFolderError: the file cannot be read, or is the journal of something else.
    """

    def __init__(self, folder: Path, key: str) -> None:
        from optuna import create_study  # noqa: PLC0415 - optional, and slow to import
        from optuna.storages import JournalStorage  # noqa: PLC0415 - likewise
        from optuna.storages.journal import JournalFileBackend  # noqa: PLC0415 - likewise

        self._path = folder / JOURNAL
        with _quiet(), self._explained():
            _drop_torn_line(self._path)
            backend = JournalFileBackend(os.fspath(self._path), _already_locked(self._path))
            storage = JournalStorage(backend)
            names = [study.study_name for study in storage.get_all_studies()]
            if names not in ([], [_STUDY]):
                raise RunFolderError(
                    f"{self._path}: holds the studies {', '.join(names)}, which are no search of "
                    "fmnistlab. Search in another folder."
                )
            self._study = create_study(
                storage=storage, study_name=_STUDY, direction="maximize", load_if_exists=True
            )
            if _KEY not in self._study.user_attrs:
                self._study.set_user_attr(_KEY, key)
        if self._study.user_attrs[_KEY] != key:
            raise RunFolderError(
                f"{self._path}: is the journal of another search. Put the one of this folder back, "
                "or search in another folder."
            )

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, in their order."""
        return self._study.get_trials(deepcopy=False)

    def add(self, trial: FrozenTrial) -> None:
        """Writes a trial, whole or not at all.

        Raises:
            RunFolderError: it cannot be written.
        """
        with self._explained():
            self._study.add_trial(trial)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except RunFolderError:
            raise
        except OSError as error:
            explained = RunFolderError(
                f"{self._path}: cannot be read or written: {error.strerror}. What is trained is "
                "kept."
            )
            explained.errno = error.errno
            raise explained from error
        except Exception as error:
            raise RunFolderError(
                f"{self._path}: is no journal of Optuna: {describe(error)}. Search in another "
                "folder."
            ) from error


def state_of(trial: FrozenTrial) -> ToldState:
    """Returns how a trial ended."""
    states: dict[str, ToldState] = {"COMPLETE": "done", "PRUNED": "pruned"}
    return states.get(trial.state.name, "failed")


def settings_of(trial: FrozenTrial, space: Space) -> dict[str, Any] | None:
    """Returns the settings of a trial by name; None if it did not choose from this space."""
    if trial.distributions != _distributions(space):
        return None
    return {one.name: _value(one, trial.params[one.name]) for one in space.dimensions}


def _already_locked(path: Path) -> JournalFileOpenLock:
    """Returns the lock of a journal whose folder is locked: it does nothing, so nothing stays."""
    from optuna.storages.journal import JournalFileOpenLock  # noqa: PLC0415 - optional, slow

    class AlreadyLocked(JournalFileOpenLock):
        def acquire(self) -> bool:
            return True

        def release(self) -> None:
            pass

    return AlreadyLocked(os.fspath(path))


def _study(trials: Sequence[FrozenTrial]) -> Study:
    """Returns a new study in memory that holds some trials."""
    from optuna import create_study  # noqa: PLC0415 - optional, and slow to import
    from optuna.pruners import MedianPruner  # noqa: PLC0415 - likewise

    with _quiet():
        study = create_study(direction="maximize", pruner=MedianPruner())
        study.add_trials(trials)
    return study


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    return {dimension.name: _distribution(dimension) for dimension in space.dimensions}


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import (  # noqa: PLC0415 - optional, and slow to import
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    low, high, step = dimension.low, dimension.high, dimension.step
    if dimension.choices is not None:
        return CategoricalDistribution(_labels(dimension.choices))
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=dimension.log, step=int(step or 1))
    return FloatDistribution(low, high, log=dimension.log, step=step)


def _labels(choices: Sequence[Any]) -> list[CategoricalChoiceType]:
    """Returns what stands for choices: Optuna knows no lists and no tables, and 1 is True to it."""
    if len(kinds := {type(choice) for choice in choices}) == 1 and kinds <= {int, float, str}:
        return [*choices]
    return [json.dumps(choice) for choice in choices]


def _value(dimension: Dimension, parameter: Any) -> Any:
    """Returns the value that a parameter of Optuna stands for."""
    if dimension.choices is None:
        return parameter
    return dimension.choices[_labels(dimension.choices).index(parameter)]


def _drop_torn_line(path: Path) -> None:
    """Cuts off the end of a line that a power loss has left half written."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Optuna from telling of each study; its user's own level is back afterwards."""
    from optuna import logging  # noqa: PLC0415 - optional, and slow to import

    before = logging.get_verbosity()
    logging.set_verbosity(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.set_verbosity(before)
