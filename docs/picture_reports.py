"""Writes the two reports that docs/reports.md shows, and takes their pictures in Chromium.

    python docs/picture_reports.py COMPARISON [RUN]

COMPARISON is the folder of the comparison of docs/accuracy.md, as docs/make_images.py leaves it in
`runs/docs/accuracy`; RUN one of its runs, the CNN's with seed 0 if not given. It needs the extra
"test" and a browser of the system.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import fmnistlab

DOCS = Path(__file__).parent
HEIGHTS = {"run": 1990, "comparison": 1480}
COLORS = 96


def main(comparison: Path, run: Path) -> None:
    """Writes and pictures both."""
    folder = DOCS / "reports"
    folder.mkdir(exist_ok=True)
    pages = {
        "run": fmnistlab.report(run, folder / "cnn.html"),
        "comparison": fmnistlab.report(comparison, folder / "linearnet-cnn.html"),
    }
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, page in pages.items():
            shown = browser.new_page(viewport={"width": 1100, "height": HEIGHTS[name]})
            shown.goto(page.as_uri())
            picture = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
            path = DOCS / "images" / f"report-{name}.png"
            picture.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
            print(f"{path}: {path.stat().st_size:,} bytes; {page}: {page.stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    compared = Path(sys.argv[1])
    first = next(compared.glob("runs/cnn-s0-*"))
    main(compared, Path(sys.argv[2]) if len(sys.argv) > 2 else first)
