"""`expect` sees what no format can: legal content that is another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.data.test_bundled_data import DIGESTS, PARTS

from fmnistlab import FashionMNISTCSV, testing
from fmnistlab.cli.main import run
from fmnistlab.data import dataset as dataset_module
from fmnistlab.data.expectation import accepted_fingerprints
from fmnistlab.data.schema import OFFICIAL_FINGERPRINTS, OFFICIAL_ROWS
from fmnistlab.errors import ConfigurationError, DataFormatError


@pytest.fixture
def good(here: Path) -> FashionMNISTCSV:
    """The content of good.csv, 40 rows."""
    return FashionMNISTCSV(testing.write_tiny_csv("good.csv", seed=1))


def test_the_official_constants_are_those_of_the_bundled_data() -> None:
    assert dict(OFFICIAL_ROWS) == PARTS
    official = dict(OFFICIAL_FINGERPRINTS)
    assert official == {part: DIGESTS[f"fingerprint of {part}"] for part in PARTS}


@pytest.mark.parametrize("part", PARTS)
def test_the_official_data_is_accepted_in_any_order_of_rows(part: str, tmp_path: Path) -> None:
    official = FashionMNISTCSV.bundled(part)
    order = np.random.default_rng(0).permutation(len(official))
    official.select(order).to_csv(tmp_path / "shuffled.csv")
    for expect in ("fashion-mnist", "Fashion-MNIST", OFFICIAL_FINGERPRINTS[part]):
        assert len(FashionMNISTCSV(tmp_path / "shuffled.csv", expect=expect)) == PARTS[part]
    other = OFFICIAL_FINGERPRINTS["train" if part == "test" else "test"]
    with pytest.raises(DataFormatError, match="expected was the official"):
        FashionMNISTCSV(tmp_path / "shuffled.csv", expect=other)


def test_a_fingerprint_may_be_in_any_case(good: FashionMNISTCSV) -> None:
    again = FashionMNISTCSV("good.csv", expect=good.fingerprint.upper(), one_hot=True)
    assert again.fingerprint == good.fingerprint
    assert again.one_hot


def one_digit(text: str) -> str:
    return text.replace(",255,", ",254,", 1)


def swapped_labels(text: str) -> str:
    return text.replace("\n3,", "\nX,", 1).replace("\n5,", "\n3,", 1).replace("\nX,", "\n5,", 1)


def row_missing(text: str) -> str:
    return text[: text.rindex("\n", 0, -1) + 1]


def row_doubled(text: str) -> str:
    return text + text[text.rindex("\n", 0, -1) + 1 :]


def cut_in_the_last_number(text: str) -> str:
    assert text[-3:-1].isdigit()
    return text[:-2]


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(
    "change", [one_digit, swapped_labels, row_missing, row_doubled, cut_in_the_last_number]
)
def test_legal_content_that_is_another_is_refused(
    good: FashionMNISTCSV, change: Callable[[str], str], cache: bool
) -> None:
    text = Path("good.csv").read_text()
    Path("other.csv").write_text(change(text))
    other = FashionMNISTCSV("other.csv", cache=cache)  # nothing is wrong with its form
    with pytest.raises(DataFormatError) as caught:
        FashionMNISTCSV("other.csv", expect=good.fingerprint, cache=cache)
    assert caught.value.path == "other.csv"
    assert str(caught.value) == (
        f"other.csv: is not what was expected: its {len(other)} rows have the fingerprint "
        f"{other.fingerprint}, expected was fingerprint {good.fingerprint}. A digit was changed, "
        "or rows are missing or there twice; get another copy"
    )
    with pytest.raises(DataFormatError, match="expected was the official training set") as caught:
        FashionMNISTCSV("other.csv", expect="fashion-mnist", cache=cache)
    assert "(60,000 rows) or the official test set (10,000 rows)" in str(caught.value)


@pytest.mark.parametrize(
    "expect", ["", "train", "fashion_mnist", "0" * 63, "g" * 64, "0" * 64 + "\n"]
)
def test_what_is_no_expectation_is_refused_before_anything_is_read(expect: str) -> None:
    with pytest.raises(ConfigurationError, match="64 hexadecimal digits") as caught:
        FashionMNISTCSV("nowhere.csv", expect=expect)
    assert ("Did you mean 'fashion-mnist'?" in str(caught.value)) == (expect == "fashion_mnist")


def test_both_official_sets_are_accepted_under_one_name() -> None:
    assert set(accepted_fingerprints("fashion-mnist")) == set(OFFICIAL_FINGERPRINTS.values())


def test_the_bundled_data_is_compared_with_its_own_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole sets in each other's place are noticed too."""
    monkeypatch.setattr(dataset_module, "BUNDLED_FOLDER", tmp_path)
    testing.write_tiny_csv(tmp_path / "fashion-mnist_test.csv.xz")
    with pytest.raises(DataFormatError, match=r"its 40 rows .* official test set \(10,000 rows\)"):
        FashionMNISTCSV.bundled("test")
    (tmp_path / "fashion-mnist_train.csv.xz").write_bytes(
        (Path(dataset_module.__file__).parent / "bundled/fashion-mnist_test.csv.xz").read_bytes()
    )
    with pytest.raises(DataFormatError, match=r"its 10,000 rows .* official training set"):
        FashionMNISTCSV.bundled("train")


def test_the_command_line_checks_files(
    good: FashionMNISTCSV, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["data", "good.csv", "--expect", good.fingerprint]) == 0
    assert "40 images" in capsys.readouterr().out
    assert run(["data", "good.csv", "--expect", "fashion-mnist"]) == 3
    assert "good.csv: is not what was expected: its 40 rows" in capsys.readouterr().err
    assert run(["data", "good.csv", "--expect", "mnist"]) == 2
    assert "expect is 'mnist'" in capsys.readouterr().err
    assert run(["data", "--expect", "fashion-mnist"]) == 2
    assert "name one" in capsys.readouterr().err
