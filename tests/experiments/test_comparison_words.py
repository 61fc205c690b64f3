"""What a comparison says: numbers by hand, and words in every form of output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.html_page import HOSTILE, checked
from tests.run_files import falsify, put

from fmnistlab.errors import ConfigurationError
from fmnistlab.experiments import Comparison, read_config, read_history, read_result
from fmnistlab.experiments.comparison.judgement import judge_pairs, judge_variant
from fmnistlab.experiments.comparison.runs import ComparedRun, FinishedGroup, Group, group_runs
from fmnistlab.experiments.records.identity import TrainingIdentity
from fmnistlab.experiments.sweep.variant import parse_variant
from fmnistlab.foundation.json_text import json_text
from fmnistlab.foundation.terminal import printable
from fmnistlab.training.recipes.named import FAST
from fmnistlab.training.recipes.recipe import Recipe


def rows(text: str) -> np.ndarray:
    """Runs from text: a row of 0 and 1 for each."""
    return np.array([[int(letter) for letter in row] for row in text.split()], dtype=np.uint8)


def finished(run: Path, name: str, correct: np.ndarray, images: str = "i") -> FinishedGroup:
    """Runs of a variant that are right on such images; all else is that of a real run."""
    folders = {seed: Path(f"{name}-{seed}") for seed in range(len(correct) + 1)}
    group = Group(name, TrainingIdentity.of(read_config(run)), folders)
    result, history = read_result(run), read_history(run)
    runs = [
        ComparedRun(name, seed, path, "done", None, float(right.mean()), 0.5, 2, 8.0)
        for (seed, path), right in zip(folders.items(), correct, strict=False)
    ]
    lost = ComparedRun(name, len(correct), folders[len(correct)], "failed", "ValueError: no")
    count = len(correct)
    return FinishedGroup(
        group, (*runs, lost), (result,) * count, (history,) * count, correct, images
    )


def compared(found: list[FinishedGroup], baseline: str | None = None) -> Comparison:
    return Comparison(
        variants=tuple(map(judge_variant, found)),
        pairs=judge_pairs(found, smallest=0.005, baseline=baseline),
        runs=tuple(run for part in found for run in part.runs),
        smallest=0.005,
        baseline=baseline,
        extended=("Extended after 4 runs were finished.",),
        folder=Path("out"),
        histories={part.group.name: part.histories for part in found},
    )


A, B = rows("11111010 11110011 11111000"), rows("11010010 10110000 11100010")


def test_numbers_are_those_of_the_runs(trained_once: Path) -> None:
    found = compared([finished(trained_once, "b", B), finished(trained_once, "a", A)])
    variant = found.variants[1]
    assert variant.accuracy == pytest.approx(17 / 24)
    assert variant.deviation == pytest.approx(np.std([6 / 8, 6 / 8, 5 / 8], ddof=1))
    assert (variant.seeds, variant.failed, variant.missing) == ((0, 1, 2), (3,), ())
    assert variant.seconds == 8.0
    (pair,) = found.pairs
    assert (pair.one, pair.other) == ("a", "b")
    assert pair.difference is not None
    assert pair.difference.all_images.value == pytest.approx(0.25)
    assert pair.error_ratio == pytest.approx((7 / 24) / (13 / 24))
    by_hand = np.mean([a != b for a in A for b in B])
    assert pair.disagreement == pytest.approx(by_hand)
    assert pair.chance_to_beat == pytest.approx(9 / 9)


def test_pairs_are_all_or_those_with_the_baseline(trained_once: Path) -> None:
    three = [finished(trained_once, name, rows_) for name, rows_ in (("a", A), ("b", B), ("c", A))]
    pairs = [(pair.one, pair.other) for pair in compared(three).pairs]
    assert pairs == [("b", "a"), ("c", "a"), ("c", "b")]
    with_b = compared(three, "b")
    assert [(pair.one, pair.other) for pair in with_b.pairs] == [("a", "b"), ("c", "b")]
    # Each p-value is at least what the pair has alone, as Holm's correction says.
    alone = compared(three[:2], "b").pairs[0].verdict
    among = with_b.pairs[0].verdict
    assert alone is not None
    assert among is not None
    assert among.p_value == pytest.approx(2 * alone.p_value)


@pytest.mark.parametrize("turned", [False, True])
def test_of_one_run_nothing_is_said_about_recipes(turned: bool, trained_once: Path) -> None:
    generator = np.random.default_rng(0)
    one, other = ((generator.random((1, 500)) < p).astype(np.uint8) for p in (0.9, 0.8))
    pair = [finished(trained_once, "good", one), finished(trained_once, "poor", other)]
    (words,) = compared(pair[::-1] if turned else pair).verdicts
    assert "it cannot be said which way to train is better" in words
    assert "that of good is ahead of that of poor: +" in words
    assert "McNemar's exact p = " in words
    only = [int(((one == right) & (other == 1 - right)).sum()) for right in (1, 0)]
    assert f"{only[0]} of 500 images only good gets right, {only[1]} only poor." in words
    assert compared(pair).pairs[0].seeds_for_all_images(0.01) is None


@pytest.mark.parametrize("other", ["11110000", "00001111"])
def test_two_runs_that_are_right_equally_often_have_no_winner(
    other: str, trained_once: Path
) -> None:
    pair = [finished(trained_once, "a", rows("11110000")), finished(trained_once, "b", rows(other))]
    (words,) = compared(pair).verdicts
    assert "The two first runs are right equally often: +0.00 points" in words
    assert "ahead" not in words
    lone = 0 if other == "11110000" else 4
    assert f"{lone} of 8 images only" in words


def test_runs_of_other_images_are_refused(trained_once: Path) -> None:
    pair = [finished(trained_once, "a", A), finished(trained_once, "b", B, "others")]
    with pytest.raises(ConfigurationError, match="b and a were not tested on the same images"):
        compared(pair)


def test_every_output_has_every_word(trained_once: Path) -> None:
    """Also of a name that would act as HTML, as LaTeX or on a terminal."""
    found = compared([finished(trained_once, "b", B), finished(trained_once, HOSTILE, A)])
    words = [*found.verdicts, *found.notes]
    assert len(words) == 4
    page = checked(found._repr_html_())
    for sentence in words:
        assert printable(sentence, limit=2000) in " ".join(page.texts)
        assert sentence in found.to_markdown()
    assert str(found) == repr(found) == found.to_text()
    assert found.to_latex().startswith(r"\begin{tabular}{lrrrrrrrr}")
    told = json.loads(json_text(found.to_dict()))
    assert told["variants"][1]["name"] == HOSTILE
    assert told["pairs"][0]["all_images_95"] == pytest.approx([0.052948, 0.447052], abs=5e-7)
    assert len(found.to_frame()) == 2
    assert found.pairs_to_frame()["difference"].tolist() == pytest.approx([0.25])


def test_folders_of_runs_are_called_what_would_train_them_again(
    trained_once: Path, tmp_path: Path
) -> None:
    def folder(name: str, recipe: Recipe, options: dict[str, Any]) -> Path:
        path = Path(shutil.copytree(trained_once, tmp_path / name))
        falsify(path / "config.json", put("recipe", recipe.to_dict()))
        falsify(path / "config.json", put("model.options", options))
        return path

    few = Recipe(batch_size=31)
    wanted: list[tuple[Recipe, dict[str, Any], str]] = [
        (few, {}, "linearnet@batch_size=31"),
        (Recipe(batch_size=33, schedule="cosine"), {}, "linearnet@batch_size=33,schedule=cosine"),
        (FAST, {}, "linearnet@fast"),
        (Recipe(), {"hidden": 8, "act": "tanh"}, "linearnet,hidden=8,act=tanh"),
        (few, {"sizes": [1, 2]}, "linearnet,sizes=[1,2]@batch_size=31"),
        (Recipe(), {}, "linearnet"),
    ]
    given = [folder(str(number), *parts[:2]) for number, parts in enumerate(wanted)]
    groups = group_runs(given)
    assert [group.name for group in groups] == [name for *_, name in wanted]
    for (recipe, options, _), group in zip(wanted, groups, strict=True):
        if not options:
            assert parse_variant(group.name).recipe == recipe
