"""Audits the real data as docs/auditing.md tells it: its pictures, and the page of the report.

    python docs/make_audit.py COMPARISON

COMPARISON is the folder of `fmnistlab compare linearnet cnn --seeds 26`, for the accuracies with
and without some images. The trainings of the audit take about ten minutes on two cores.
"""

from __future__ import annotations

import dataclasses
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

import fmnistlab
from fmnistlab import plots
from fmnistlab.auditing import Audit
from fmnistlab.experiments import find_runs, read_predictions
from fmnistlab.foundation.tables import Cell, Column, markdown_table

IMAGES = Path(__file__).parent / "images"
FOLDS, SEEDS, EPOCHS = 3, 3, 8


def save(name: str, figure: Figure) -> None:
    """Writes a picture in few colors and says how large it is."""
    path = plots.save_figure(figure, IMAGES / f"{name}.png")
    drawn = Image.open(path).convert("L").quantize(64)
    drawn.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


def accuracies(runs: Path, model: str) -> tuple[np.ndarray, list[str]]:
    """Returns which test images each run of a model has right, and the images' names."""
    found = [run for run in find_runs([runs]) if run.model == model and run.state == "done"]
    said = [read_predictions(run.folder) for run in found]
    names = [bytes(row).hex() for row in said[0].images.tolist()]
    return np.stack([side.correct.numpy() for side in said]), names


def main(runs: Path) -> None:
    """Prints what the page quotes."""
    torch.set_num_threads(1)
    train, test = fmnistlab.load_data()
    began = time.perf_counter()
    quick = fmnistlab.audit(train, test)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(quick)
    print(f"{time.perf_counter() - began:.1f} s, {peak:.0f} MB at most\n")
    save("audit-near", quick.plot_near(12))
    save("audit-near-across", quick.plot_near(12, across=True))
    began = time.perf_counter()
    whole = fmnistlab.audit(
        train, test, near=None, model="cnn", epochs=EPOCHS, folds=FOLDS, seeds=SEEDS, device="cpu"
    )
    print(whole)
    print(f"{time.perf_counter() - began:.1f} s\n")
    save("audit-labels", whole.plot_candidates(50, columns=10))
    both = dataclasses.replace(whole, near=quick.near, near_distance=quick.near_distance)
    page = fmnistlab.report(both, IMAGES.parent / "reports" / "audit.html")
    print(f"{page}: {page.stat().st_size:,} bytes")
    by_runs = {}
    for model in ("linearnet", "cnn"):
        folders = [run.folder for run in find_runs([runs]) if run.model == model]
        by_runs[model] = fmnistlab.audit(test, near=None, model=folders)
        print(by_runs[model])
    tell_accuracies(runs, quick, whole, by_runs)


def tell_accuracies(runs: Path, quick: Audit, whole: Audit, by_runs: dict[str, Audit]) -> None:
    """Prints accuracies with and without some test images."""
    doubted = [doubt.image for doubt in whole.candidates or () if "test" in doubt.image.part]
    without: dict[str, set[str]] = {
        "all images": set(),
        "without near duplicates of training images": {
            image.sha256 for pair in quick.near if pair.across for image in (pair.one, pair.other)
        },
        "without the 50 labels most in doubt": {image.sha256 for image in doubted[:50]},
        "without all labels in doubt": {image.sha256 for image in doubted},
        **{
            f"without labels in doubt by 26 runs of {model}": {
                doubt.image.sha256 for doubt in found.candidates or ()
            }
            for model, found in by_runs.items()
        },
    }
    rows: list[list[Cell]] = []
    right = {model: accuracies(runs, model) for model in ("linearnet", "cnn")}
    for words, dropped in without.items():
        kept = {
            model: np.array([name not in dropped for name in names])
            for model, (_, names) in right.items()
        }
        linearnet, cnn = (float(hits[:, kept[model]].mean()) for model, (hits, _) in right.items())
        rows.append([words, int(kept["cnn"].sum()), linearnet, cnn, cnn - linearnet])
    columns = ["test images", "images"]
    numbers = [Column(name, ".4f") for name in ("linearnet", "cnn", "difference")]
    print(markdown_table([*columns, *numbers], rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
