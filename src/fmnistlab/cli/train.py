"""`fmnistlab train MODEL`."""

from __future__ import annotations

import argparse
import logging

from fmnistlab.cli import output
from fmnistlab.cli.numbers import real_argument, require_numbers, whole_argument
from fmnistlab.cli.parser import Parser
from fmnistlab.cli.paths import path_argument
from fmnistlab.cli.settings import (
    add_data_options,
    add_device_option,
    add_metric_option,
    add_model_options,
    add_recipe_options,
    chosen_options,
    chosen_recipe,
)
from fmnistlab.foundation.logger import get_logger


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: Parser,
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "train",
        parents=[common],
        help="train a model, test it once, and write a run folder",
        description="Trains MODEL on four fifths of the training set, validates on the rest after "
        "each epoch, tests once at the end, and writes a run folder with settings, history, "
        "checkpoint, result and pictures.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="a name that `fmnistlab models` lists, or code of your own: my_model.py:Net runs a "
        "file and takes its class or function Net, package.module:Net imports a module",
    )
    add_data_options(parser)
    add_model_options(parser)
    add_recipe_options(parser, "")
    add_metric_option(parser, "measure after each epoch and at the end, besides loss and accuracy")
    parser.add_argument(
        "--seed",
        type=whole_argument,
        default=0,
        help="determines initial weights, order of images and all noise; 0 to 2**63 - 1 "
        "(default: 0)",
    )
    add_device_option(parser)
    parser.add_argument(
        "--threads",
        type=whole_argument,
        default=1,
        metavar="N",
        help="CPU threads, 1 to 1,024, or auto to measure which number is the fastest now; with 1 "
        "the result does not depend on the machine's cores (default: 1)",
    )
    parser.add_argument(
        "--execution",
        choices=("auto", "eager", "recorded", "cuda_graph"),
        default="auto",
        help="how training steps are executed: recorded once and replayed on the CPU where that "
        "changes nothing but the time (auto), as the model is written (eager), or in any case "
        "recorded or as a CUDA graph (default: auto)",
    )
    parser.add_argument(
        "--out",
        type=path_argument,
        metavar="DIR",
        help="the run folder, new or empty (default: runs/MODEL-TIME)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the interrupted training in the folder that --out names, with the same "
        "result, bit for bit; starts a new one if there is none",
    )
    parser.add_argument(
        "--checkpoint-steps",
        type=whole_argument,
        metavar="N",
        help="write a checkpoint every N training steps",
    )
    parser.add_argument(
        "--checkpoint-epochs",
        type=whole_argument,
        metavar="N",
        help="... every N epochs (default: every epoch, if no other --checkpoint- is given)",
    )
    parser.add_argument(
        "--checkpoint-seconds",
        type=real_argument,
        metavar="S",
        help="... at the first step after S seconds",
    )
    parser.add_argument(
        "--report", action="store_true", help="also write report.html into the run folder"
    )
    parser.set_defaults(command=_train, imports="fmnistlab.experiments.experiment")


def _check_numbers(options: argparse.Namespace) -> None:
    wholes = ("seed", "checkpoint_steps", "checkpoint_epochs")
    kinds = dict.fromkeys(wholes, "a whole number")
    if options.threads != "auto":
        kinds |= {"threads": "a whole number, or auto"}
    require_numbers(options, {**kinds, "checkpoint_seconds": "a number"})


def _train(options: argparse.Namespace) -> int:
    # torch is imported here, so that --help and wrong usage answer at once.
    from tqdm.contrib.logging import logging_redirect_tqdm

    from fmnistlab.cli.epoch_table import EpochTable
    from fmnistlab.experiments.config import ExperimentConfig
    from fmnistlab.experiments.experiment import run_experiment
    from fmnistlab.training.callbacks.base import Callback
    from fmnistlab.training.callbacks.logging import LogLines
    from fmnistlab.training.callbacks.progress import ProgressBar
    from fmnistlab.training.records.metrics import Metrics

    _check_numbers(options)
    config = ExperimentConfig(
        model=options.model,
        model_options=chosen_options(options.model, options.model_options),
        data=options.data,
        train=options.train,
        test=options.test,
        recipe=chosen_recipe(options),
        metrics=options.metrics,
        seed=options.seed,
        device=options.device,
        threads=options.threads,
        execution=options.execution,
        out=options.out,
        resume=options.resume,
        checkpoint_steps=options.checkpoint_steps,
        checkpoint_epochs=options.checkpoint_epochs,
        checkpoint_seconds=options.checkpoint_seconds,
    )
    callbacks: list[Callback] = [ProgressBar()]
    if not options.json:
        callbacks.append(EpochTable())
    if options.verbose:
        callbacks.append(LogLines())
    for name in ("experiment", "parts"):
        get_logger(f"fmnistlab.experiments.{name}").setLevel(logging.INFO)
    get_logger("fmnistlab.training.checkpoints.resume").setLevel(logging.INFO)
    failures: list[output.ResultError] = []

    def print_test(test: Metrics) -> None:
        try:
            output.result(f"test: {test}")
        except output.ResultError as failure:  # pictures are drawn all the same
            failures.append(failure)

    with logging_redirect_tqdm():
        experiment = run_experiment(
            config, callbacks, on_tested=None if options.json else print_test
        )
    for note in experiment.notes:
        output.note(note)
    if options.report:
        from fmnistlab.reporting.report import report

        report(experiment, model=options.model)
    if options.json:
        output.json_result({"folder": str(experiment.folder), **experiment.result})
        return 0
    for failure in failures:
        raise failure
    output.result(f"run folder: {experiment.folder}")
    return 0
