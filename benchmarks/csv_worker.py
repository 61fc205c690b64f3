"""One reading of the CSV file, in a process of its own; the result is one line of JSON.

    python -m benchmarks.csv_worker READER FILE --threads 2

READER "write" writes the file instead.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from typing import TYPE_CHECKING

from benchmarks.csv_readers import READERS
from benchmarks.machine import peak_memory
from benchmarks.processes import Measurement

if TYPE_CHECKING:
    import numpy as np

ROWS = 60_000

FINGERPRINT = "6d226526ff970f03"
"""The start of the SHA-256 of all 785 columns as bytes, row by row."""


def write(path: str) -> Measurement:
    """Writes the 60,000 training images as CSV."""
    from fmnistlab import FashionMNISTCSV  # noqa: PLC0415 - brings torch, which no reader needs

    FashionMNISTCSV.bundled("train").to_csv(path)
    return {}


def measure(reader: str, path: str) -> Measurement:
    """Returns seconds and peak memory in bytes of one reading, without imports.

    Raises:
        SystemExit: what was read is not what is in the file.
    """
    read = READERS[reader].prepare()
    started = time.perf_counter()
    content = read(path)
    seconds = time.perf_counter() - started
    peak = peak_memory()
    _check(content)
    return {"seconds": seconds, "peak_rss_bytes": peak}


def _check(content: np.ndarray | tuple[np.ndarray, np.ndarray]) -> None:
    import numpy as np  # noqa: PLC0415 - not every reader needs it, and memory is measured

    if isinstance(content, tuple):
        labels, images = content
        content = np.column_stack([labels, images.reshape(len(labels), 784)])
    if content.dtype != np.uint8 or content.shape != (ROWS, 785):
        raise SystemExit(f"read {content.dtype} {content.shape}, not uint8 ({ROWS}, 785)")
    found = hashlib.sha256(content.tobytes()).hexdigest()
    if not found.startswith(FINGERPRINT):
        raise SystemExit(f"read other numbers than those in the file: SHA-256 {found}")


def main() -> None:
    """Reads once and prints the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.csv_worker", description=__doc__)
    parser.add_argument("reader", choices=["write", *READERS])
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, default=2, help="who starts it sets them")
    options = parser.parse_args()
    result = (
        write(options.file) if options.reader == "write" else measure(options.reader, options.file)
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
