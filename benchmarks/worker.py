"""One measurement of one contender, in a process of its own; the result is one line of JSON.

    python -m benchmarks.worker fmnistlab --model cnn --threads 2

`seconds` are those of one training epoch; with --evaluate of measuring the loss on the 12,000
validation images; with --recipe of a whole training as that recipe says, without anything to warm
up. `loss` is the mean cross-entropy after that: after an epoch on the first 2,000 validation
images, else on all; a whole training has the `accuracy` on all, too. `setup_seconds` is what came
before, without imports: building, warming up and, where that is a step of its own, compiling, which
`compile_seconds` tells apart. `peak_rss_bytes` is the most memory that the process had in RAM until
the timed part ended.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.contenders import CONTENDERS, import_contender
from benchmarks.contenders.contender import Contender, Evaluator, Fitter
from benchmarks.images import Images, image_folder, load_images
from benchmarks.machine import peak_memory
from benchmarks.processes import Measurement
from benchmarks.task import Task

JUDGED = 2000
"""Validation images that a trained model is judged by."""


def measure_training(kind: type[Contender], task: Task, fit: Images, valid: Images) -> Measurement:
    """Returns what one epoch took, and the loss that it led to."""
    started = time.perf_counter()
    contender = kind(task)
    contender.warm_up(fit)
    result = _timed(contender.epoch(fit), started)
    result["loss"] = contender.loss(valid.first(JUDGED))
    if contender.compile_seconds is not None:
        result["compile_seconds"] = contender.compile_seconds
    return result


def measure_evaluation(kind: type[Evaluator], task: Task, valid: Images) -> Measurement:
    """Returns what one evaluation took.

    Raises:
        SystemExit: the loss that it found is not that of the model.
    """
    started = time.perf_counter()
    contender = kind(task)
    contender.evaluation(valid.first(JUDGED))()
    found: list[float] = []
    evaluate = contender.evaluation(valid)
    result = _timed(lambda: found.append(evaluate()), started)
    result["loss"] = contender.loss(valid)
    if not math.isclose(found[0], result["loss"], abs_tol=1e-3):
        raise SystemExit(f"measured a loss of {found[0]}, but it is {result['loss']}")
    return result


def measure_result(
    kind: type[Fitter], task: Task, recipe: str, fit: Images, valid: Images
) -> Measurement:
    """Returns what a whole training took, and how good the model is then."""
    from fmnistlab.training.recipes.file import recipe_of  # noqa: PLC0415 - not all need torch

    started = time.perf_counter()
    contender = kind(task)
    result = _timed(contender.fit(fit, recipe_of(recipe)), started)
    return {**result, "loss": contender.loss(valid), "accuracy": contender.accuracy(valid)}


def _timed(work: Callable[[], object], started: float) -> Measurement:
    gc.collect()
    before = time.perf_counter()
    work()
    seconds = time.perf_counter() - before
    return {
        "seconds": seconds,
        "setup_seconds": before - started,
        "peak_rss_bytes": peak_memory(),
    }


def main() -> None:
    """Measures once and prints the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worker", description=__doc__)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--model", choices=("linearnet", "cnn"), required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--images", type=int, default=48_000, help="images of an epoch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--evaluate", action="store_true")
    parser.add_argument(
        "--recipe", metavar="NAME|FILE", help="a whole training; the recipe has the batch size"
    )
    parser.add_argument("--folder", type=Path, help="of the images, if they are prepared")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or stack.enter_context(image_folder())
        fit, valid = load_images(folder, "fit").first(options.images), load_images(folder, "valid")
    # Libraries may print to standard output, which belongs to the result.
    with contextlib.redirect_stdout(sys.stderr):
        kind = import_contender(options.contender)
        task = Task(options.model, options.batch_size, options.threads, options.seed)
        if options.recipe is not None:
            if not issubclass(kind, Fitter):
                raise SystemExit(f"{options.contender} takes no part where results are measured")
            result = measure_result(kind, task, options.recipe, fit, valid)
        elif not options.evaluate:
            result = measure_training(kind, task, fit, valid)
        elif issubclass(kind, Evaluator):
            result = measure_evaluation(kind, task, valid)
        else:
            raise SystemExit(f"{options.contender} takes no part where evaluation is measured")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
