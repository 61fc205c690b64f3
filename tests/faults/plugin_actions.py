"""What is done beside a broken plug-in, in processes that never saw fmnistlab before.

Run as ``python -m tests.faults.plugin_actions``: it imports torch once, reads a JSON list of
questions from standard input, and forks for each of them, so that every one imports fmnistlab anew.
torch comes first because it reads the metadata of all packages itself, and some damage that
fmnistlab passes over stops it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

ACTIONS = ("import", "list", "create another", "help", "train another")

HEALTHY = "fine"
"""The model of a plug-in that works and stands beside each broken one."""


@dataclasses.dataclass(frozen=True)
class Question:
    """One kind of broken plug-in.

    Attributes:
        folders: what is put in front of `sys.path`.
        modules: names of its modules; none may be imported unless its model is asked for.
        asked: the name of the broken model.
        error: name of the error that asking must give; "" if building it works and only training
            it fails; "KeyboardInterrupt" if it hangs until Ctrl-C.
        named: what the text of the error must have in it.
        listed: whether the broken model is in the list.
    """

    folders: Sequence[str]
    modules: Sequence[str]
    asked: str
    error: str
    named: Sequence[str]
    listed: bool = True


def answer(question: Question) -> dict[str, str]:
    """Returns what was wrong with each action, "" if nothing; runs in a process of its own."""
    sys.path[:0] = question.folders
    steps: dict[str, Callable[[Question], str]] = {
        "import": _import,
        "list": _list,
        "create another": _create,
        "help": _help,
        "train another": _train,
    }
    found = {}
    for action in ACTIONS:
        started = time.monotonic()
        try:
            found[action] = steps[action](question)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it harmed others
            place = traceback.extract_tb(error.__traceback__)[-1]
            found[action] = f"{error!r} in {place.filename}, line {place.lineno}"
        if not found[action] and time.monotonic() - started > 20:
            found[action] = "took more than 20 s"
    return found


def _import(question: Question) -> str:
    if "fmnistlab" in sys.modules:
        return "the process is not fresh"
    import fmnistlab

    return "" if fmnistlab.__version__ else "no version"


def _list(question: Question) -> str:
    import fmnistlab

    expected = {"cnn", "linearnet", HEALTHY} | ({question.asked} if question.listed else set())
    found = fmnistlab.list_models()
    if found != sorted(expected):
        return f"{found} are listed instead of {sorted(expected)}"
    with _environment("FMNISTLAB_PLUGINS", "0"):
        found = fmnistlab.list_models()
        if found != ["cnn", "linearnet"]:
            return f"{found} are listed although plug-ins are switched off"
        if type(fmnistlab.create_model("cnn")).__module__ != "fmnistlab.models.cnn":
            return "cnn is not ours although plug-ins are switched off"
    return _untouched(question)


def _create(question: Question) -> str:
    from fmnistlab import create_model

    for name in ("cnn", "linearnet", HEALTHY):
        create_model(name)
    wrong = _untouched(question) or _ask(question)
    for name in ("cnn", "linearnet", HEALTHY):
        create_model(name)
    return wrong


def _ask(question: Question) -> str:
    """Asks for the broken model itself, and returns what is wrong with the error."""
    from fmnistlab import FmnistlabError, create_model
    from fmnistlab.testing import tiny_dataset
    from fmnistlab.training.recipes.recipe import Recipe
    from fmnistlab.training.trainer import Trainer

    hanging = question.error == "KeyboardInterrupt"
    try:
        with _ctrl_c_soon() if hanging else contextlib.nullcontext():
            model = create_model(question.asked)
        if question.error != "":
            return "the broken model was built without an error"
        Trainer(model, Recipe(epochs=1), device="cpu").fit(tiny_dataset())
    except KeyboardInterrupt:
        return "" if hanging else "KeyboardInterrupt came out of nowhere"
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is judged
        if question.error and not isinstance(error, FmnistlabError):
            return f"asking for it gave {error!r}"
        if question.error and type(error).__name__ != question.error:
            return f"asking for it gave {error!r} instead of {question.error}"
        missing = [
            text for text in question.named if text not in f"{type(error).__name__}: {error}"
        ]
        return f"{missing} are not in {str(error)!r}" if missing else ""
    return "the broken model was trained without an error"


def _help(question: Question) -> str:
    from fmnistlab.cli.main import run

    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            run(["--help"])
    except SystemExit as ended:
        if ended.code != 0:
            return f"exit code {ended.code}"
    return "" if "usage: fmnistlab" in printed.getvalue() else f"printed {printed.getvalue()!r}"


def _train(question: Question) -> str:
    import torch

    from fmnistlab import create_model
    from fmnistlab.testing import tiny_dataset
    from fmnistlab.training.recipes.recipe import Recipe
    from fmnistlab.training.trainer import Trainer

    torch.manual_seed(0)
    trainer = Trainer(create_model("linearnet"), Recipe(epochs=1, batch_size=8), device="cpu")
    (epoch,) = trainer.fit(tiny_dataset())
    metrics = trainer.evaluate(tiny_dataset())
    if not (math.isfinite(epoch.loss) and metrics.count == 40):
        return f"trained to {epoch}, {metrics}"
    return ""


def _untouched(question: Question) -> str:
    """Says so if a module of the broken plug-in was imported."""
    imported = set(question.modules) & set(sys.modules)
    return f"{imported} was imported, although nobody asked for it" if imported else ""


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


@contextlib.contextmanager
def _ctrl_c_soon() -> Iterator[None]:
    """Raises KeyboardInterrupt after 0.3 s, as Ctrl-C would."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _in_a_fork(question: Question) -> dict[str, str]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "w", encoding="utf-8") as pipe:
            json.dump(answer(question), pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    ended = f"the process ended with code {os.waitstatus_to_exitcode(status)}"
    return json.loads(text) if text else dict.fromkeys(ACTIONS, ended)


def main() -> None:
    """Answers all questions on standard input, one JSON line each."""
    import torch
    import torch._functorch.aot_autograd  # what training imports of torch; 1 s in each fork

    torch.set_num_threads(1)
    for fields in json.load(sys.stdin):
        found = _in_a_fork(Question(**fields))
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
