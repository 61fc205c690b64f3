"""A model compared with itself, other seeds: what is said of it, and how often it is wrong."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from tests.experiments.comparisons import plain, small
from torch import nn

from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.experiments.comparison.judgement import judge_pairs
from fmnistlab.experiments.comparison.runs import Group, read_group
from fmnistlab.experiments.records.identity import TrainingIdentity
from fmnistlab.experiments.records.reading import read_config
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.seeds import fit_seeds

POOL = 160
"""Trainings, of which each repetition compares five with five others."""

REPETITIONS = 300


def rows_of_the_pool() -> np.ndarray:
    """Returns which of 1,000 real images each of many linear classifiers recognizes."""
    train, test = FashionMNISTCSV.bundled("train"), FashionMNISTCSV.bundled("test")
    labels = train.targets[:400].to(torch.uint8).numpy()
    few = FashionMNISTCSV.from_arrays(train.data[:400].numpy(), labels, name="few")

    def make() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    recipe = Recipe(epochs=3, learning_rate=0.003)
    trainers = fit_seeds(make, few, seeds=range(POOL), recipe=recipe, stacked=True, device="cpu")
    images, targets = test.data[:1000].float().div(255), test.targets[:1000]
    with torch.inference_mode():
        right = [trainer.model(images).argmax(1) == targets for trainer in trainers]
    return torch.stack(right).numpy().astype(np.uint8)


def test_a_model_is_told_from_itself_as_rarely_as_the_level_says(here: Path) -> None:
    """Of 100 repetitions 95 are to find nothing, in the long run; 1,500 with 1,000 trainings in
    the pool were wrong in 4.6 % with three seeds each, 4.0 % with five, 5.7 % with ten; of 1,000
    independent ones with five seeds, 10,000 trainings, 955 found nothing."""
    (made,) = {run.folder for run in small(here / "out", plain("plain"), seeds=1).runs}
    training = TrainingIdentity.of(read_config(made))
    found = read_group(Group("one", training, {0: made}), {})
    other = found._replace(group=dataclasses.replace(found.group, name="other"))
    pool, chooser = rows_of_the_pool(), np.random.default_rng(0)
    assert 0.6 < pool.mean() < 0.8
    assert pool.mean(axis=1).std() > 0.005
    said: Counter[str] = Counter()
    for _ in range(REPETITIONS):
        chosen = chooser.permutation(POOL)[:10]
        pair = [found._replace(correct=pool[chosen[:5]]), other._replace(correct=pool[chosen[5:]])]
        (judged,) = judge_pairs(pair, smallest=0.005, baseline=None)
        assert judged.verdict is not None
        said[judged.verdict.finding] += 1
    wrong = REPETITIONS - said["not told apart"] - said["practically equal"]
    assert 0.005 < wrong / REPETITIONS < 0.08, said
