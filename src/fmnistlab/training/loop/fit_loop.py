"""The loop of one fit: epochs, steps, validation, and where callbacks hear of them."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor, nn

from fmnistlab import seeding
from fmnistlab.data.batch import BatchSource
from fmnistlab.errors import NonFiniteError
from fmnistlab.foundation.global_random import (
    random_states,
    restore_random_states,
    seed_all,
)
from fmnistlab.training.callbacks.run import BatchResult, Run, RunState
from fmnistlab.training.checkpoints.arrangement import Arrangement
from fmnistlab.training.checkpoints.file import Checkpoint
from fmnistlab.training.checkpoints.fit_state import FitState, generator_states
from fmnistlab.training.checkpoints.optimizer_attributes import AttributeWatch
from fmnistlab.training.checkpoints.optimizer_state import OptimizerState
from fmnistlab.training.device import named_memory_errors
from fmnistlab.training.evaluation import evaluate_source
from fmnistlab.training.execution import Executed
from fmnistlab.training.loop.dispatch import Dispatch
from fmnistlab.training.loop.explosion import ExplosionWatch
from fmnistlab.training.loop.finite import FiniteCheck
from fmnistlab.training.loop.interruption import Interruption
from fmnistlab.training.loop.resume_point import ResumePoint
from fmnistlab.training.recipes.loss_weights import label_weights
from fmnistlab.training.recipes.parameter_rules import ParameterRule, freeze_for_epoch, thaw
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.records.meter import Meter
from fmnistlab.training.records.metrics import Metrics
from fmnistlab.training.steps.eager import StepResult, TrainingStep


class FitLoop:
    """Trains the epochs of a fit, from its beginning or from where it is resumed.

    Args:
        state: of the fit; the loop keeps it up to date.
        dispatch: calls the callbacks.
        step: makes the steps.
        training: on the model's device.
        validation: likewise, or None.
        interruption: tells when a signal has arrived.
        resume: where the fit goes on, or None if it begins.
        capture: copies everything a checkpoint holds.
    """

    def __init__(
        self,
        state: RunState,
        dispatch: Dispatch,
        step: TrainingStep,
        *,
        training: BatchSource,
        validation: BatchSource | None,
        interruption: Interruption,
        resume: ResumePoint | None,
        capture: Callable[[], Checkpoint],
    ) -> None:
        self._state = state
        self._capture = capture
        self._run = Run(state)
        self._dispatch = dispatch
        self._step = step
        self._training, self._validation = training, validation
        self._interruption = interruption
        self._resume = resume
        self._plateau = state.recipe.make_plateau(self._run.optimizer)
        self._began = self._arrangement() if resume is None else resume.fit.began
        self._epoch_began: Arrangement | None = None
        self._checked = False
        self._attributes = AttributeWatch(self._run.optimizer)
        weights = label_weights(state.recipe.training_loss)
        self._finite = FiniteCheck(state.model, self._run.optimizer, self._run.device, weights)
        finished = state.history[state.first_epoch - 1 :]
        self._explosion = ExplosionWatch(None if resume is None else resume.fit.start, finished)
        self._generators: list[Tensor] = []
        self._started = time.perf_counter()
        self._data = functools.cache(functools.partial(data_names, training, validation))

    @property
    def step_number(self) -> int:
        """Training steps made so far, over all epochs and fits."""
        return self._state.step

    @property
    def executed(self) -> Executed:
        """How steps are executed."""
        return self._step.executed

    @property
    def eager_because(self) -> str | None:
        """Why they are executed as the model is written; None if they are not."""
        return self._step.eager_because

    def write_back(self) -> None:
        """Puts weights, gradients and optimizer state where torch has them."""
        self._step.write_back()

    def close(self) -> None:
        """Thaws what the recipe's rules have frozen."""
        thaw(*self._ruled, self._began.frozen)

    def start(self) -> None:
        """Calls `on_fit_start`; callbacks of a fit that goes on learn where they were."""
        self._dispatch.call("on_fit_start", self._run)
        if self._resume is not None:
            self._resume.restore_callbacks(self._dispatch)
            if self._resume.fit.batch == 0:
                self._restore(self._resume)

    def train(self) -> None:
        """Trains until the last epoch is over or the fit is stopped.

        Raises:
            BaseException: whatever a callback raises.
            ConfigurationError: the optimizer has a state that no checkpoint could keep, or the
                recipe's rules freeze all that could learn.
            NonFiniteError: a loss, a gradient or a weight is not finite.
            DeviceMemoryError: the device has too little memory.
            KeyboardInterrupt, Terminated: a signal has arrived.
        """
        state = self._state
        while self._goes_on():
            state.epoch = len(state.history) + 1
            self._epoch()
            with self._averaged_weights():
                record = self._record()
                state.batch = 0
                self._explosion.after_epoch(record)
                if self._plateau is not None:
                    self._plateau.step(getattr(record, state.recipe.plateau_metric))
                self._dispatch.call("on_epoch_end", self._run, record)
            self._deliver_captures()
        if self._step.average is not None:
            self._step.average.settle()

    def _averaged_weights(self) -> contextlib.AbstractContextManager[None]:
        """Lets the model have the averaged weights, if the recipe averages them."""
        average = self._step.average
        return contextlib.nullcontext() if average is None else average.lent()

    def own_weights(self) -> contextlib.AbstractContextManager[None]:
        """Lets the model have the weights that training goes on from, not their average."""
        average = self._step.average
        return contextlib.nullcontext() if average is None else average.taken_back()

    def _goes_on(self) -> bool:
        """Returns whether there is another epoch to train; one that has begun is finished first."""
        state = self._state
        begun = self._resume is not None and self._resume.fit.batch > 0
        return begun or (len(state.history) < state.last_epoch and state.stop_reason is None)

    def fit_state(self) -> FitState:
        """Returns where the fit stands, between two steps.

        Raises:
            NonFiniteError: a weight is not finite.
        """
        state = self._state
        self._finite.check_sum(self._step, state.epoch, state.step)
        within = state.batch > 0
        schedule = self._step.schedule or self._plateau
        average = self._step.average
        return FitState(
            first_epoch=state.first_epoch,
            last_epoch=state.last_epoch,
            batch=state.batch,
            seconds=time.perf_counter() - self._started if within else 0.0,
            start=self._explosion.start,
            stop_reason=state.stop_reason,
            schedule=None if schedule is None else dict(schedule.state_dict()),
            data=self._data,
            meter=(state.meter if within else Meter()).state(),
            random=random_states(state.device) if within else None,
            generators=self._generators if within else generator_states(self._training.generators),
            callbacks=self._dispatch.state_dicts(),
            began=self._began,
            epoch_began=self._epoch_began if within else None,
            average=None if average is None else average.state(),
        )

    def _epoch(self) -> None:
        """Trains one epoch, or what is left of it."""
        state, dispatch = self._state, self._dispatch
        seed_all(seeding.derive_seed(state.seed, "noise", state.epoch))
        resume, self._resume = self._resume, None
        fit = None if resume is None else resume.fit
        self._begin(fit)
        state.model.train()
        self._start_epoch(resume)
        listened = dispatch.listens("on_batch_end")
        for result in self._steps(fit, persistent=listened):
            state.step += 1
            state.batch += 1
            state.meter.add(*result)
            self._finite.after_step(self._step, result, state.epoch, state.step)
            self._explosion.after_step(result.loss)
            self._check_optimizer()
            if listened:
                dispatch.call("on_batch_end", self._run, self._batch_result(result))
            if state.receivers or self._interruption.requested:
                self._deliver_captures()
        self._step.write_back()

    def _start_epoch(self, resume: ResumePoint | None) -> None:
        """Calls `on_epoch_start`; what it does to an epoch that goes on was done before."""
        within = resume if resume is not None and resume.fit.batch > 0 else None
        if within is None:
            freeze_for_epoch(*self._ruled, self._state.epoch, self._began.frozen)
            self._epoch_began = self._arrangement()
        else:
            self._epoch_began = within.fit.epoch_began
            within.arrange_epoch(self._run.optimizer)
        self._dispatch.call("on_epoch_start", self._run)
        self._step.refresh()
        if within is not None:
            self._restore(within)

    def _restore(self, resume: ResumePoint) -> None:
        resume.restore(self._state, self._step, self._plateau, self._dispatch)

    @property
    def _ruled(self) -> tuple[nn.Module, Sequence[ParameterRule]]:
        return self._state.model, self._state.recipe.parameter_rules

    def _arrangement(self) -> Arrangement:
        return Arrangement.of(self._state.model, self._run.optimizer)

    def _check_optimizer(self) -> None:
        """Refuses an optimizer that no checkpoint could keep once its state is there, or warns."""
        if not self._checked:
            state, optimizer = self._state, self._run.optimizer
            OptimizerState.of_optimizer(state.model, optimizer)
            self._attributes.after_step()
            self._checked = True

    def _begin(self, fit: FitState | None) -> None:
        """Puts counters, meter and the data's generators to the beginning of the epoch's rest."""
        self._state.batch = 0 if fit is None else fit.batch
        weights = label_weights(self._state.recipe.training_loss)
        self._state.meter = Meter(weights) if fit is None else Meter.from_state(fit.meter, weights)
        if fit is not None:
            pairs = zip(self._training.generators, fit.generators, strict=True)
            for generator, saved in pairs:
                generator.set_state(saved)
        self._generators = generator_states(self._training.generators)
        self._started = time.perf_counter() - (0.0 if fit is None else fit.seconds)

    def _steps(self, fit: FitState | None, *, persistent: bool) -> Iterator[StepResult]:
        """Makes the steps of the epoch's rest."""
        state = self._state

        def restore_random() -> None:
            if fit is not None and fit.random is not None:
                restore_random_states(fit.random, state.device)

        with named_memory_errors(self._run.device, "training", state.recipe.batch_size):
            yield from self._step.epoch(
                self._training,
                state.epoch,
                persistent=persistent,
                start=state.batch,
                on_positioned=restore_random,
            )

    def _batch_result(self, result: StepResult) -> BatchResult:
        return BatchResult(
            epoch=self._state.epoch,
            batch=self._state.batch,
            step=self._state.step,
            loss=result.loss,
            logits=result.logits,
            labels=result.labels,
        )

    def _record(self) -> EpochRecord:
        """Sums up the epoch and measures the validation set."""
        state = self._state
        trained = state.meter.metrics()
        seconds = time.perf_counter() - self._started
        self._finite.check_weights(state.epoch, state.step)
        self._check(trained, "training")
        validated = None
        if self._validation is not None:
            loss = state.recipe.evaluation_loss
            validated = evaluate_source(
                *(state.model, self._validation, loss, self._run.device), extra=state.extra
            )
        if validated is not None:
            self._check(validated, "validation")
        return EpochRecord(
            epoch=state.epoch,
            loss=trained.loss,
            accuracy=trained.accuracy,
            val_loss=None if validated is None else validated.loss,
            val_accuracy=None if validated is None else validated.accuracy,
            learning_rate=float(self._run.optimizer.param_groups[0]["lr"]),
            seconds=seconds,
            count=trained.count,
            val_count=None if validated is None else validated.count,
            val_extra={} if validated is None else validated.extra,
        )

    def _check(self, metrics: Metrics, kind: str) -> None:
        if not math.isfinite(metrics.loss):
            rate = float(self._run.optimizer.param_groups[0]["lr"])
            raise NonFiniteError(
                f"Epoch {self._state.epoch}: the mean {kind} loss is {metrics.loss}, at learning "
                f"rate {rate:g}. Try a smaller learning rate, and check the images for values "
                "that are not finite."
            )

    def _deliver_captures(self) -> None:
        """Delivers requested captures, then stops if a signal arrived.

        All callbacks have heard of the step or epoch by now, so their own states are up to date.
        """
        receivers, self._state.receivers = self._state.receivers, []
        if not receivers and not self._interruption.requested:
            return
        self._step.write_back()
        captured = self._capture()
        for receive in receivers:
            receive(captured)
        if self._interruption.requested:
            # On the way out random states and perhaps weights are put back; this stays.
            self._state.captured = captured
            raise self._interruption.error()
        self._step.refresh()


def data_names(training: BatchSource, validation: BatchSource | None) -> dict[str, str | None]:
    """Returns names for the data of a fit; see `BatchSource.identity`."""
    return {
        "train": training.identity(),
        "valid": None if validation is None else validation.identity(),
    }
