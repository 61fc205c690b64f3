"""Builds the CSV files that ship with the package from the four original IDX files.

    python scripts/build_bundled_data.py [FOLDER_WITH_IDX]

The folder defaults to the one of Debian's package dataset-fashion-mnist. The same input gives the
same CSV text everywhere. The packed bytes are the same for the same release of liblzma, the
library behind Python's lzma; the committed files were packed by liblzma 5.4.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fmnistlab.data.content_hash import fingerprint
from fmnistlab.data.csv_file import csv_text
from fmnistlab.foundation.atomic_file import write_atomically

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
TARGET = Path(__file__).parents[1] / "src" / "fmnistlab" / "data" / "bundled"

SOURCES = {
    # SHA-256 of the decompressed files
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

README = """\
# The bundled data

Fashion-MNIST by Han Xiao, Kashif Rasul and Roland Vollgraf (Zalando Research), MIT licence, see
`LICENSE` in this folder. Source: https://github.com/zalandoresearch/fashion-mnist, by way of the
four IDX files in Debian's package `dataset-fashion-mnist`; `scripts/build_bundled_data.py` checked
their SHA-256 and wrote the files below. Nothing was changed but the form.

Form: Kaggle's CSV, a header `label,pixel1,...,pixel784` and one image in each line, packed by xz.
**The rows are in the order of the IDX files, not in the order of Kaggle's own CSV files.** Whatever
names an image should use its content, not its row. The fingerprint below does not depend on the
order of rows: it is `FashionMNISTCSV.fingerprint`.

| | {names} |
| --- | --- | --- |
| rows | {rows} |
| mean pixel / 255 | {means} |
| standard deviation / 255 | {deviations} |

SHA-256 of the packed files, of the CSV text in them, and fingerprints:

```
{hashes}
```
"""


def read_idx(folder: Path, name: str) -> np.ndarray:
    """Returns the content of one IDX file as uint8, after checking its SHA-256."""
    with gzip.open(folder / f"{name}.gz") as stream:
        content = stream.read()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SOURCES[name]:
        raise SystemExit(f"{folder / name}.gz: SHA-256 is {digest}, expected {SOURCES[name]}.")
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", count=dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def pack(text: Iterator[bytes]) -> tuple[bytes, str]:
    """Returns the text packed by xz in one thread, and the SHA-256 of the text."""
    packer = lzma.LZMACompressor(
        lzma.FORMAT_XZ,
        check=lzma.CHECK_CRC64,
        filters=[{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}],
    )
    digest = hashlib.sha256()
    packed = []
    for piece in text:
        digest.update(piece)
        packed.append(packer.compress(piece))
    packed.append(packer.flush())
    return b"".join(packed), digest.hexdigest()


def main(folder: Path) -> None:
    """Builds both files and their README; prints what it wrote."""
    columns = []
    hashes = []
    for part, prefix in (("train", "train"), ("test", "t10k")):
        images = read_idx(folder, f"{prefix}-images-idx3-ubyte")
        labels = read_idx(folder, f"{prefix}-labels-idx1-ubyte")
        content, text_digest = pack(csv_text(images, labels))
        path = TARGET / f"fashion-mnist_{part}.csv.xz"
        with write_atomically(path) as stream:
            stream.write(content)
        scaled = images / 255
        columns.append((f"`{path.name}`", f"{len(labels):,}", scaled.mean(), scaled.std()))
        hashes += [
            f"{hashlib.sha256(content).hexdigest()}  {path.name}",
            f"{text_digest}  {path.stem}",
            f"{fingerprint(images, labels)}  fingerprint of {part}",
        ]
        print(f"{path}: {len(content):,} bytes")
    names, rows, means, deviations = zip(*columns, strict=True)
    readme = README.format(
        names=" | ".join(names),
        rows=" | ".join(rows),
        means=" | ".join(f"{mean:.5f}" for mean in means),
        deviations=" | ".join(f"{deviation:.5f}" for deviation in deviations),
        hashes="\n".join(hashes),
    )
    (TARGET / "README.md").write_text(readme, encoding="utf-8", newline="\n")
    print(readme)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEBIAN_FOLDER)
