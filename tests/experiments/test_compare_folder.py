"""The folder of a comparison: what may lie there, what is refused, and what the same call adds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.comparisons import contents, facts, plain, small, words
from tests.run_files import HOSTILE, falsify, put

from fmnistlab.cli.main import run
from fmnistlab.errors import ConfigurationError, FmnistlabError, RunFolderError
from fmnistlab.experiments.comparison.compare import compare
from fmnistlab.experiments.sweep.schedule import train_all
from fmnistlab.experiments.sweep.variant import Variant
from fmnistlab.foundation.terminal import printable
from fmnistlab.testing import write_tiny_csv
from fmnistlab.training.recipes.recipe import Recipe

pytestmark = pytest.mark.usefixtures("two_models")


def test_with_everything_done_nothing_is_trained_and_no_byte_changes(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(out, "one", "other", pictures=True)
    before, first = contents(out), {path: path.stat().st_ino for path in out.rglob("*")}
    assert any(name.endswith(".png") for name in before)
    monkeypatch.setattr("fmnistlab.experiments.comparison.compare.train_all", None)
    found = small(out, "one", "other", pictures=True)
    after = contents(out)
    assert {name: text for name, (text, _) in after.items()} == {
        name: text for name, (text, _) in before.items()
    }
    runs = [path for path in first if "runs" in path.parts]
    assert {path: path.stat().st_ino for path in runs} == {path: first[path] for path in runs}
    assert not found.extended


def test_the_same_call_from_another_folder_gives_the_same_bytes(
    out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = (out / "comparison.json").read_bytes()
    monkeypatch.chdir(out.parent)
    small(Path("out"), "one", "other")
    assert (out / "comparison.json").read_bytes() == before
    moved = out.rename(tmp_path_factory.mktemp("elsewhere") / "out")
    write_tiny_csv(moved.parent / "tiny.csv", rows=120)
    small(moved, "one", "other")
    assert (moved / "comparison.json").read_bytes() == before


def seeds_are_three(out: Path) -> None:
    small(out, "one", "other", seeds=3)


def other_settings(**settings: Any) -> Callable[[Path], object]:
    return lambda out: small(out, "one", "other", **settings)


def other_data(out: Path) -> None:
    write_tiny_csv(out.parent / "other.csv", rows=120, seed=1)
    small(out, "one", "other", data=out.parent / "other.csv")


def other_test_set(out: Path) -> None:
    """The same training set, so only the test set is another one."""
    for name, rows, seed in (("train", 100, 0), ("test-a", 40, 1), ("test-b", 40, 2)):
        write_tiny_csv(out.parent / f"{name}.csv", rows=rows, seed=seed)
    for test in ("a", "b"):
        files = {name: out.parent / f"{name}.csv" for name in ("train", f"test-{test}")}
        sets = dict(zip(("train", "test"), files.values(), strict=True))
        small(out.parent / "two", "one", data=None, **sets)


def changed_data(out: Path) -> None:
    write_tiny_csv(out.parent / "tiny.csv", rows=120, seed=1)
    small(out, "one", "other")


def one_with_another_recipe(out: Path) -> None:
    small(out, "one", Variant(model="other", recipe=Recipe(epochs=1), name="other"))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "fewer seeds": (other_settings(seeds=1), r"seeds 0, 1; 1 would be left out"),
    "other seeds": (other_settings(seeds=[0, 5]), r"seeds 0, 1; 1 would be left out"),
    "fewer variants": (lambda out: small(out, "one"), "variants one, other; other would be"),
    "another recipe": (other_settings(recipe=Recipe(epochs=1)), "recipe.epochs of one: 2, and n"),
    "another recipe of one": (one_with_another_recipe, "recipe.epochs of other: 2, and not 1"),
    "other data": (other_data, "another fit of one"),
    "changed data": (changed_data, "another fit of one"),
    "another test set": (other_test_set, "another test of one"),
    "another split": (other_settings(split_seed=7), "another fit of one"),
    "another number of threads": (other_settings(threads=2), "another threads of one: 1, and not"),
    "another execution": (other_settings(execution="eager"), "another execution of one"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_another_plan_is_refused_and_nothing_is_changed(out: Path, what: str) -> None:
    act, message = REFUSED[what]
    before = contents(out)
    with pytest.raises(RunFolderError, match=message):
        act(out)
    assert contents(out) == before


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_falsified_record_is_refused_by_name(
    out: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    record = out / "comparison.json"
    HOSTILE[kind](record)
    before = sorted(path.relative_to(out) for path in out.rglob("*"))
    assert run(words(out, "one", "other")) == 1
    said = capfd.readouterr().err.strip().splitlines()
    assert said[-1].startswith(f"fmnistlab: error: {out}")
    assert "Traceback" not in said
    assert "unexpected error" not in said[-1]
    assert sorted(path.relative_to(out) for path in out.rglob("*")) == before


FALSE = {
    "requests": [],
    "requests.0.seeds": [-1],
    "requests.0.smallest": 2,
    "requests.0.smallest ": "0.005",
    "requests.0.finished": -1,
    "requests.0.variants": "one",
    "variants": [],
    "variants.one.training.fit": "ab",
    "variants.one.training": None,
    "variants.one.runs": 1,
    "result": 1,
}


@pytest.mark.parametrize("place", FALSE)
def test_a_false_value_is_refused_by_place(out: Path, place: str) -> None:
    falsify(out / "comparison.json", put(place.strip(), FALSE[place]))
    before = contents(out)
    key = place.strip().split(".")[-1]
    with pytest.raises(RunFolderError, match=rf"comparison\.json.*{key}"):
        small(out, "one", "other")
    assert contents(out) == before


def test_the_result_in_the_record_is_never_believed(out: Path) -> None:
    before = (out / "comparison.json").read_bytes()
    falsify(out / "comparison.json", put("result", {"variants": "none"}))
    found = small(out, "one", "other")
    assert found.variants[0].accuracy is not None
    assert (out / "comparison.json").read_bytes() == before


@pytest.mark.parametrize("name", ["notes.txt", "runs", "comparison.md", ".comparison.json.x.tmp"])
def test_a_folder_that_holds_something_else_is_refused_and_not_touched(
    here: Path, name: str
) -> None:
    (here / "out").mkdir()
    (here / "out" / name).write_text("mine")
    before = contents(here / "out")
    with pytest.raises(RunFolderError, match=r"is not empty, and not the folder of a comparison"):
        small(here / "out", "one", "other")
    assert contents(here / "out") == before


@pytest.mark.parametrize("made", ["a file", "a link to nothing", "a run folder"])
def test_what_is_no_folder_of_a_comparison_is_refused(
    here: Path, trained_once: Path, made: str
) -> None:
    out = trained_once if made == "a run folder" else here / "out"
    if made == "a file":
        out.write_text("mine")
    elif made == "a link to nothing":
        out.symlink_to(here / "nowhere")
    before = contents(trained_once)
    data = write_tiny_csv(here / "tiny.csv", rows=120)
    with pytest.raises(RunFolderError, match=str(out)):
        small(out, "one", "other", data=data)
    assert contents(trained_once) == before


def test_what_a_kill_left_is_no_foreign_file_and_is_removed(here: Path) -> None:
    left = here / "out" / ".comparison.json.0123abcd.tmp"
    left.parent.mkdir()
    left.write_text("{")
    (here / "out" / ".fmnistlab.lock").touch()
    small(here / "out", "one", "other")
    assert sorted(path.name for path in (here / "out").iterdir()) == [
        "comparison.json",
        "comparison.md",
        "comparison.tex",
        "runs",
    ]


def test_more_seeds_and_variants_train_only_what_is_missing_and_are_told(out: Path) -> None:
    before = contents(out / "runs")
    plain("third")
    found = small(out, "one", "other", "third", seeds=[0, 1, 4], smallest=0.02)
    assert [run.seed for run in found.runs] == 3 * [0, 1, 4]
    assert {name: now for name, now in contents(out / "runs").items() if name in before} == before
    (told,) = found.extended
    assert told.startswith(
        "Extended after 4 runs were finished: 2 to 3 seeds; third added; smallest difference 0.5 "
        "to 2 points."
    )
    for text in (str(found), found.to_markdown(), (out / "comparison.tex").read_text()):
        assert told in text
    again = small(out, "one", "other", "third", seeds=[0, 1, 4], smallest=0.02)
    assert again.extended == found.extended
    small(out.parent / "fresh", "one", "other", "third", seeds=[0, 1, 4])
    assert {n: f for n, f in facts(out).items() if n.startswith("runs/")} == {
        n: f for n, f in facts(out.parent / "fresh").items() if n.startswith("runs/")
    }


def test_what_is_added_before_anything_is_finished_is_no_extension(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("fmnistlab.experiments.comparison.compare.train_all", end)
        with pytest.raises(KeyboardInterrupt):
            small(here / "out", "one", "other")
    found = small(here / "out", "one", "other", seeds=3)
    assert len(json.loads((here / "out" / "comparison.json").read_text())["requests"]) == 2
    assert not found.extended


def test_another_call_may_ask_for_more_meanwhile_and_writes_what_came_of_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def asked_meanwhile(tasks: Any, **settings: Any) -> Any:
        monkeypatch.undo()
        monkeypatch.chdir(here)
        outcomes = train_all(tasks, **settings)
        small(here / "out", "linearnet", seeds=3)
        return outcomes

    monkeypatch.setattr("fmnistlab.experiments.comparison.compare.train_all", asked_meanwhile)
    found = small(here / "out", "linearnet", seeds=2)
    assert found.variants[0].seeds == (0, 1)
    assert "is extended by another call, which will write it" in caplog.text
    written = json.loads((here / "out" / "comparison.json").read_text())
    assert [asked["seeds"] for asked in written["requests"]] == [[0, 1], [0, 1, 2]]
    assert written["result"]["variants"][0]["seeds"] == [0, 1, 2]
    assert "Extended after 2 runs" in (here / "out" / "comparison.md").read_text()


def test_one_seed_says_nothing_of_ways_to_train(here: Path) -> None:
    found = small(here / "out", "one", "other", seeds=1)
    assert found.pairs[0].difference is None
    assert "cannot be said which way to train is better" in found.verdicts[0]
    assert found.variants[0].estimate is None
    found = small(here / "out", "one", "other", seeds=2)
    assert found.pairs[0].difference is not None


def test_seeds_may_be_a_list_in_any_order(here: Path) -> None:
    found = small(here / "out", "one", seeds=(7, 3))
    assert [run.seed for run in found.runs] == [3, 7]
    assert run(words(here / "out", "one", seeds="3,7")) == 0


BAD: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "nothing": ([], {}, "nothing to compare"),
    "an unknown model": (["one", "otter"], {}, "otter.*Did you mean 'other'"),
    "an unknown recipe": (["one@fastest"], {}, "fastest"),
    "an unknown setting": (["one@epoch=3"], {}, "epoch"),
    "an impossible setting": (["one@epochs=0"], {}, "epochs"),
    "half a setting": (["one@epochs=3,fast"], {}, "fast.*NAME=VALUE"),
    "a variant twice": (["one", "other", "one"], {}, "one is there twice"),
    "a variant twice in other words": (["one", "one@epochs=2"], {}, "there twice"),
    "a variant twice in another case": (["one", "ONE"], {}, "there twice"),
    "a name twice": (["one", Variant(model="other", name="one")], {}, "one is there twice"),
    "a number": ([1], {}, "variant"),
    "no seed": (["one"], {"seeds": 0}, "seeds"),
    "an empty list": (["one"], {"seeds": []}, "seeds"),
    "a seed twice": (["one"], {"seeds": [1, 1]}, "only once"),
    "a seed below 0": (["one"], {"seeds": [-1]}, "seed"),
    "half a seed": (["one"], {"seeds": 1.5}, "seeds"),
    "seeds in words": (["one"], {"seeds": "3"}, "seeds"),
    "too many seeds": (["one"], {"seeds": 10**9}, "seeds"),
    "no processes": (["one"], {"n_jobs": 0}, "n_jobs"),
    "half a process": (["one"], {"n_jobs": 1.5}, "n_jobs"),
    "no threads": (["one"], {"threads": 0}, "threads"),
    "another baseline": (["one", "other"], {"baseline": "third"}, "baseline"),
    "no smallest difference": (["one"], {"smallest": 0.0}, "smallest"),
    "a difference of everything": (["one"], {"smallest": 1.0}, "smallest"),
    "not a number": (["one"], {"smallest": math.nan}, "smallest"),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.usefixtures("no_checker")
def test_what_cannot_be_compared_is_named_before_anything_is_written(here: Path, what: str) -> None:
    variants, settings, message = BAD[what]
    with pytest.raises(FmnistlabError, match=rf"(?i){message}") as caught:
        small(here / "out", *variants, **settings)
    assert isinstance(caught.value, ConfigurationError | LookupError)
    assert caught.value.exit_code == 2
    assert not (here / "out").exists()


HOSTILE_NAMES = {
    "lines": "a\nb",
    "letters that act": "\x1b[2J\r",
    "backwards": "\u202eabc",
    "a lone surrogate": "\udcff",
    "a nul": "a\0b",
    "a way out": "../../../out",
    "an option": "--out",
    "markup": '</td><script>alert("x")</script>',
    "a table": "a | b | c",
    "LaTeX": r"\input{/etc/passwd} & % $ _ #",
    "very long": "x" * 100_000,
}


@pytest.mark.parametrize("kind", HOSTILE_NAMES)
def test_a_name_acts_nowhere(here: Path, kind: str) -> None:
    name = HOSTILE_NAMES[kind]
    found = small(here / "out", Variant(model="one", name=name), "other", seeds=2)
    assert sorted(path.name for path in here.iterdir()) == ["out", "tiny.csv"]
    assert found.variants[0].name == printable(name, limit=100)
    for text in (str(found), found.to_markdown(), found.to_latex()):
        for sign in "\x1b\r\u202e\udcff\0":
            assert sign not in text
    assert "<script>" not in found._repr_html_()
    rows = [line for line in found.to_markdown().splitlines() if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in rows}) == 1
    rows = [line for line in found.to_latex().splitlines() if line.endswith(r"\\")]
    assert len(rows) == 3
    if kind == "LaTeX":
        body = [line for line in found.to_latex().splitlines() if not line.startswith("%")]
        assert r"\input" not in "\n".join(body)
    again = small(here / "out", Variant(model="one", name=name), "other", seeds=2)
    assert str(again) == str(found)


def test_without_a_folder_it_is_one_of_safe_letters(here: Path) -> None:
    data = write_tiny_csv(here / "tiny.csv", rows=120)
    name = Variant(model="one", name="../\x1b[2J" + "x" * 300)
    compare([name], seeds=1, recipe=Recipe(epochs=1), data=data, n_jobs=1, pictures=False)
    (made,) = (here / "runs").iterdir()
    assert made.name.startswith("compare-")
    assert set(made.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_")
