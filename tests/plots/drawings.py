"""Every kind of picture, small and odd ones too, and what tests read off them."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from fmnistlab import plots
from fmnistlab.data import AlternatingFlip, RandomAffine, RandomErasing
from fmnistlab.data.schema import CLASS_NAMES
from fmnistlab.statistics import REFERENCES, Difference, accuracy_estimates, difference, spread
from fmnistlab.training.rate_range import LearningRateRange
from fmnistlab.training.records.history import EpochRecord, History
from fmnistlab.training.records.predictions import Predictions

LONG = "a_model_with_a_long_name, seed 123456, /home/me/data sets/$fashion$/fashion-mnist_test.csv"


def pictures(count: int) -> torch.Tensor:
    """Random images, each different."""
    return torch.from_numpy(
        np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    )


def labels(count: int) -> torch.Tensor:
    """0, 1, ... 9, 0, 1 and so on."""
    return torch.arange(count) % 10


def sure_of(chosen: torch.Tensor, confidence: float = 0.91) -> Predictions:
    probabilities = torch.full((len(chosen), 10), (1 - confidence) / 9)
    probabilities[torch.arange(len(chosen)), chosen] = confidence
    return Predictions(chosen, probabilities)


def history(epochs: int, *, validate_every: int = 1, **changes: float) -> History:
    def record(epoch: int) -> EpochRecord:
        values = {"loss": 1 / epoch, "accuracy": 1 - 0.5 / epoch}
        if validate_every and epoch % validate_every == 0:
            # The best loss is that of epoch 5, the best accuracy the last.
            values |= {"val_loss": 0.3 + abs(epoch - 5) / 10, "val_accuracy": 1 - 0.6 / epoch}
            values |= changes
        count = 12 if "val_loss" in values else None
        return EpochRecord(
            epoch=epoch, **values, val_count=count, learning_rate=1e-3, seconds=1.0, count=48
        )

    return History(record(epoch) for epoch in range(1, epochs + 1))


def matrix(top: int = 6000) -> np.ndarray:
    counts = np.random.default_rng(top).integers(0, 1 + top // 10, (10, 10))
    np.fill_diagonal(counts, top)
    return counts


def seeds(
    count: int, epochs: int = 10, *, level: float = 0.9, validate_every: int = 1
) -> list[History]:
    """Histories of several seeds, each a little different from the others."""
    random = np.random.default_rng([count, epochs])

    def record(epoch: int) -> EpochRecord:
        accuracy = float(level - 0.2 / epoch + random.normal(0, 0.004))
        measured = validate_every and epoch % validate_every == 0
        return EpochRecord(
            epoch=epoch,
            loss=2.4 * (1 - accuracy),
            accuracy=accuracy,
            val_loss=2.6 * (1 - accuracy) if measured else None,
            val_accuracy=accuracy - 0.01 if measured else None,
            val_count=12 if measured else None,
            learning_rate=1e-3,
            seconds=1.0,
            count=48,
        )

    return [History(record(epoch) for epoch in range(1, epochs + 1)) for _ in range(count)]


def right(level: float, *, runs: int = 4, images: int = 400, seed: int = 0) -> np.ndarray:
    """Which of some images each of several runs has right; images differ in how hard they are."""
    easy = np.random.default_rng(0).beta(5, 0.6, images) + level - 0.89
    random = np.random.default_rng([seed, round(1000 * level)])
    return (random.random((runs, images)) < easy).astype(np.uint8)


def gain(level: float, other: float = 0.85) -> Difference:
    """By how much runs of one level are better than those of another."""
    return difference(spread(right(level)), spread(right(other, seed=1)))


def point(
    name: str, level: float = 0.88, parameters: int = 26_194, seconds: float = 20.0
) -> plots.TradeoffPoint:
    """A model of a level, with what it costs."""
    return plots.TradeoffPoint(name, parameters, seconds, accuracy_estimates(spread(right(level))))


def models(count: int) -> list[plots.TradeoffPoint]:
    """Models of all sizes, some of them close together; names of all kinds."""
    names = ["cnn", "linearnet", "$x_1$", "_a", LONG, "cnn@one-cycle", "a", "b"]
    return [
        point(
            names[place] if place < len(names) else f"model {place}",
            0.86 + 0.003 * (place * 7 % 11),
            26_194 if place < 3 else 1_000 * 3 ** (place % 7),
            11.0 + 4 * place,
        )
        for place in range(count)
    ]


def points(count: int, **settings: object) -> list[plots.SearchPoint]:
    """Trials of a search, every fourth pruned."""
    random = np.random.default_rng(count)
    return [
        plots.SearchPoint(
            number,
            {
                "learning_rate": float(10 ** random.uniform(-4, -1)),
                "batch_size": (32, 64)[number % 2],
                "schedule": ("constant", "one_cycle")[number // 2 % 2],
                "augmentation": ([], [{"name": "HorizontalFlip"}])[number % 2],
                **settings,
            },
            float(random.uniform(0.7, 0.9)),
            done=number % 4 != 1,
        )
        for number in range(count)
    ]


def rate_range() -> LearningRateRange:
    """A range test in which the loss falls and explodes."""
    rates = tuple(np.geomspace(1e-5, 1.0, 60).tolist())
    means = tuple(2.3 / (1 + 300 * rate) + 20 * rate**3 for rate in rates)
    losses = tuple(mean + 0.1 * (-1) ** at for at, mean in enumerate(means))
    return LearningRateRange(
        rates=rates, losses=losses, smoothed=means, exploded=rates[-1], steps=60, batch_size=32
    )


drawings: dict[str, Callable[[], Figure]] = {
    "curves": lambda: plots.plot_curves(history(10)),
    "curves of one epoch": lambda: plots.plot_curves(history(1, validate_every=0)),
    "curves of many epochs": lambda: plots.plot_curves(history(300, validate_every=7)),
    "images": lambda: plots.plot_images(pictures(8), [CLASS_NAMES[0]] * 8, title="some images"),
    "bare images": lambda: plots.plot_images(pictures(3)),
    "pairs": lambda: plots.plot_pairs(
        pictures(7), pictures(7), ["Shirt, 12345\nShirt, 7\n2.1 grey levels"] * 7, title="pairs"
    ),
    "one pair with long titles": lambda: plots.plot_pairs(
        pictures(1), pictures(1), [LONG], title=LONG * 4
    ),
    "bare pairs": lambda: plots.plot_pairs(pictures(3), pictures(3)),
    "samples": lambda: plots.plot_samples(pictures(100), labels(100), 4, title="samples"),
    "augmentation": lambda: plots.plot_augmentation(
        pictures(2), [AlternatingFlip(), RandomErasing(), RandomAffine()], title="three"
    ),
    "augmentation of one image": lambda: plots.plot_augmentation(
        pictures(1), [RandomErasing()], 1, title=LONG * 4
    ),
    "mistakes": lambda: plots.plot_mistakes(pictures(20), labels(20), sure_of(labels(20).flip(0))),
    "one mistake": lambda: plots.plot_mistakes(pictures(1), labels(1), sure_of(labels(1) + 9)),
    "no mistakes": lambda: plots.plot_mistakes(pictures(3), labels(3), sure_of(labels(3))),
    "confusion": lambda: plots.plot_confusion(matrix(), title="cnn, test set"),
    "confusion of few": lambda: plots.plot_confusion(matrix(5).T[::-1].copy()),
    "predictions": lambda: plots.plot_predictions(
        pictures(4),
        sure_of(torch.tensor([0, 0, 9, 9]), 1.0).probabilities,
        torch.tensor([0, 9, 9, 0]),
    ),
    "curves of several": lambda: plots.plot_curves(
        {"cnn": history(10), LONG: history(3), "_": history(2, validate_every=0)}, title="two"
    ),
    "curves with a long title": lambda: plots.plot_curves(history(10), title=LONG * 4),
    "images with long titles": lambda: plots.plot_images(pictures(3), [LONG] * 3, title=LONG * 4),
    "samples with a long title": lambda: plots.plot_samples(
        pictures(100), labels(100), 2, title=LONG * 4
    ),
    "mistakes with a long title": lambda: plots.plot_mistakes(
        pictures(1), labels(1), sure_of(labels(1) + 9), title=LONG
    ),
    "no mistakes with a title": lambda: plots.plot_mistakes(
        pictures(3), labels(3), sure_of(labels(3)), title="cnn"
    ),
    "confusion with a long title": lambda: plots.plot_confusion(matrix(), title=LONG * 4),
    "seeds": lambda: plots.plot_seeds({"cnn": seeds(3), "linearnet": seeds(2, level=0.88)}),
    "one seed of one epoch": lambda: plots.plot_seeds({"cnn": seeds(1, 1)}, title="cnn"),
    "many seeds of many variants": lambda: plots.plot_seeds(
        {name: seeds(11) for name in ("cnn", LONG, "_a", "$x$", *"bcde")}, title=LONG * 4
    ),
    "seeds of all kinds": lambda: plots.plot_seeds(
        {"cnn": [*seeds(2, 3), *seeds(1, 5)], "never validated": seeds(2, 4, validate_every=0)}
    ),
    "one interval": lambda: plots.plot_intervals({"cnn - linearnet": gain(0.87)}),
    "many intervals": lambda: plots.plot_intervals(
        {
            f"{name} - {LONG}": gain(0.8 + 0.02 * place)
            for place, name in enumerate(("$x$", "_a", LONG, *"bcdefghi"))
        },
        title=LONG * 4,
    ),
    "accuracy of 1": lambda: plots.plot_tradeoff(models(1)),
    "accuracy of 2": lambda: plots.plot_tradeoff(models(2), x="seconds", title="two"),
    "accuracy of 5": lambda: plots.plot_tradeoff(models(5)),
    "accuracy of 12": lambda: plots.plot_tradeoff(models(12), x="seconds", title=LONG * 4),
    "accuracy of 12 beside published ones": lambda: plots.plot_tradeoff(
        models(12), references=REFERENCES
    ),
    "accuracy of 12 at one place": lambda: plots.plot_tradeoff([point("$a$")] * 12),
    "search history": lambda: plots.plot_search_history(points(30), title="cnn"),
    "search history of one": lambda: plots.plot_search_history(points(1)),
    "search slices": lambda: plots.plot_search_slices(points(30), logarithmic=["learning_rate"]),
    "search slices with long names": lambda: plots.plot_search_slices(
        points(5, **{LONG: "$x$", "$y$": LONG}), title=LONG * 4
    ),
    "learning rate range": lambda: plots.plot_learning_rate_range(rate_range(), title="cnn"),
    "unlabelled predictions": lambda: plots.plot_predictions(
        pictures(3), sure_of(labels(3)).probabilities
    ),
}
on_given_figures: dict[str, Callable[[], Figure]] = {
    "pairs on a small figure": lambda: plots.plot_pairs(
        pictures(9), pictures(9), [LONG] * 9, title=LONG, figure=Figure(figsize=(5, 3))
    ),
    "curves on a small figure": lambda: plots.plot_curves(
        history(10), title=LONG, figure=Figure(figsize=(6, 4.5))
    ),
    "mistakes on a small figure": lambda: plots.plot_mistakes(
        pictures(20),
        labels(20),
        sure_of(labels(20).flip(0)),
        title=LONG,
        figure=Figure(figsize=(5, 3)),
    ),
    "predictions on a small figure": lambda: plots.plot_predictions(
        pictures(4), sure_of(labels(4)).probabilities, title=LONG, figure=Figure(figsize=(4, 3))
    ),
    "seeds on a small figure": lambda: plots.plot_seeds(
        {"cnn": seeds(12), LONG: seeds(10)}, title=LONG, figure=Figure(figsize=(6, 4.5))
    ),
    "intervals on a small figure": lambda: plots.plot_intervals(
        {"cnn - linearnet": gain(0.87), LONG: gain(0.8)}, title=LONG, figure=Figure(figsize=(5, 4))
    ),
    "intervals on a narrow figure": lambda: plots.plot_intervals(
        {"cnn - linearnet": gain(0.87)}, figure=Figure(figsize=(3.2, 4.5))
    ),
    "accuracy on a narrow figure": lambda: plots.plot_tradeoff(
        models(2), figure=Figure(figsize=(3.2, 4.5))
    ),
    "seeds on a narrow figure": lambda: plots.plot_seeds(
        {"cnn": seeds(12)}, figure=Figure(figsize=(4, 4.5))
    ),
    "search history on a small figure": lambda: plots.plot_search_history(
        points(12), title=LONG, figure=Figure(figsize=(5, 4.5))
    ),
    "search slices on a small figure": lambda: plots.plot_search_slices(
        points(12), title=LONG, figure=Figure(figsize=(6, 5.5))
    ),
    "learning rate range on a small figure": lambda: plots.plot_learning_rate_range(
        rate_range(), title=LONG, figure=Figure(figsize=(5, 4))
    ),
    "accuracy on a small figure": lambda: plots.plot_tradeoff(
        models(6), references=REFERENCES[:1], title=LONG, figure=Figure(figsize=(5, 4.5))
    ),
}


def texts_in(part: Figure | Axes) -> list[Text]:
    return [child for child in part.get_children() if isinstance(child, Text)]


def texts_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def shown_texts(figure: Figure) -> list[Text]:
    """All texts that are really drawn; ticks outside the axes are made but not drawn."""
    found = [*figure.texts]
    for axes in figure.axes:
        found += [child for child in axes.get_children() if isinstance(child, Text)]
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            found.append(axis.label)
            for tick in axis.get_major_ticks():
                if min(limits) <= tick.get_loc() <= max(limits) and tick.label1.get_visible():
                    found.append(tick.label1)
        if legend := axes.get_legend():
            found += legend.get_texts()
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def unchecked(function: Callable[..., object]) -> Callable[..., object]:
    """The function as users have it, who do not check shapes at run time."""
    return inspect.unwrap(function)
