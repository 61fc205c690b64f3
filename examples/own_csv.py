"""A CSV file of your own: write it, read it strictly, damage it, train on it, pack it.

Run it with ``python examples/own_csv.py``; it takes about 10 seconds. The file has Kaggle's
columns: label, pixel1 ... pixel784, one image in a line, whole numbers from 0 to 255.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import fmnistlab
from fmnistlab.errors import DataFormatError


def main() -> None:
    """Follows one file from writing to packing."""
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)

    # Two thousand real images, two hundred of each class: the small part of a stratified split.
    _, small = fmnistlab.FashionMNISTCSV.bundled("train").split(valid_fraction=2000 / 60000)
    path = options.out / "small.csv"
    small.to_csv(path)
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    print(f"{path}: {len(lines):,} lines, {len(text):,} bytes")
    print(f"  line 1: {lines[0][:40]}...")
    print(f"  line 2: {lines[1][:40]}...\n")

    # Reading gives back the same images. The fingerprint proves it: it is a hash of all pairs of
    # image and label that does not care about their order, nor about how the file is packed.
    mine = fmnistlab.FashionMNISTCSV(path)
    image, label = mine[0]
    print(f"read {len(mine):,} images, each of shape {tuple(image.shape)}")
    print(f"the first: {mine.classes[label]}, pixels from {image.min():.2f} to {image.max():.2f}")
    print(f"the same images as were written: {mine.fingerprint == small.fingerprint}\n")

    # Reading is strict: one bad cell among 1.5 million, and the error says which.
    cells = lines[1203].split(",")
    cells[37] = "25a"
    lines[1203] = ",".join(cells)
    damaged = options.out / "damaged.csv"
    damaged.write_text("\n".join(lines) + "\n", encoding="utf-8")
    try:
        fmnistlab.FashionMNISTCSV(damaged)
    except DataFormatError as error:
        print(f"damaged file refused: {error}")
        print(f"  error.path   = {error.path}")
        print(f"  error.line   = {error.line}")
        print(f"  error.column = {error.column}")
        print(f"  error.value  = {error.value!r}\n")

    # Train on it. Two thousand images are little: expect less than the full data set gives.
    fit_set, valid_set = mine.split(valid_fraction=0.2, seed=42)
    trainer = fmnistlab.Trainer("linearnet", seed=0)
    trainer.fit(fit_set, valid_set, epochs=options.epochs)
    test = fmnistlab.FashionMNISTCSV.bundled("test")
    print(f"learned from {len(fit_set):,} images; test: {trainer.evaluate(test)}\n")

    # The suffix chooses the packing; reading recognizes it from the content.
    for suffix in (".csv.gz", ".csv.xz"):
        packed = options.out / f"small{suffix}"
        mine.to_csv(packed)
        same = fmnistlab.FashionMNISTCSV(packed).fingerprint == mine.fingerprint
        share = packed.stat().st_size / path.stat().st_size
        print(f"{packed}: {share:.2f} of the plain size, same images: {same}")
    print(f"\ntrain on it from the command line:  fmnistlab train cnn --data {path}")


def parse_options() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Write, read, damage and train on a CSV file.")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the data (default: 10)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/own_csv"),
        help="folder for the CSV files (default: runs/own_csv)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
