"""The file that holds what a run says of each test image: tensors, under a hash in the result."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from fmnistlab.data.content_hash import image_hashes
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.schema import NUM_CLASSES
from fmnistlab.errors import RunFolderError
from fmnistlab.experiments.records.reading import read_result
from fmnistlab.experiments.run_folder_state import PREDICTIONS
from fmnistlab.foundation.regular_file import read_regular_file
from fmnistlab.shapes import Bool, Float, Int64, UInt8
from fmnistlab.training.records.predictions import Predictions

_LARGEST: Final = 2**32
_KINDS: Final = {
    "labels": torch.uint8,
    "probabilities": torch.float32,
    "targets": torch.uint8,
    "images": torch.uint8,
}


@dataclasses.dataclass(frozen=True, eq=False)
class RunPredictions:
    """What the model of a run says of each image of its test set, in the order of that set.

    Attributes:
        labels: the most probable class, int64 (rows,), 0 to 9.
        probabilities: softmax of the scores, float32 (rows, 10), 0 to 1.
        targets: the label that the data has, int64 (rows,), 0 to 9.
        images: a name for each image, the SHA-256 of its pixels, uint8 (rows, 32).
    """

    labels: Int64[Tensor, "rows"]
    probabilities: Float[Tensor, "rows 10"]
    targets: Int64[Tensor, "rows"]
    images: UInt8[Tensor, "rows 32"]

    @classmethod
    def of(cls, predictions: Predictions, test: FashionMNISTCSV) -> RunPredictions:
        """Returns predictions together with what they are about.

        Args:
            predictions: of a model, on the CPU.
            test: the test set.
        """
        images = torch.from_numpy(image_hashes(test.data.numpy()).copy())
        return cls(predictions.labels, predictions.probabilities, test.targets, images)

    @property
    def correct(self) -> Bool[Tensor, "rows"]:
        """Whether each image is recognized, bool (rows,)."""
        return self.labels == self.targets

    def tensors(self) -> dict[str, Tensor]:
        """Returns the tensors of the file, by name; classes as uint8."""
        return {
            "labels": self.labels.to(torch.uint8),
            "probabilities": self.probabilities.contiguous(),
            "targets": self.targets.to(torch.uint8),
            "images": self.images,
        }

    def to_bytes(self) -> bytes:
        """Returns the content of the file, a safetensors file."""
        return safetensors.torch.save(self.tensors())


def content_sha256(content: bytes) -> str:
    """Returns the SHA-256 of a file's content, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def read_predictions(folder: Path) -> RunPredictions:
    """Returns what a run says of each image of its test set, verified by the hash in its result.

    Args:
        folder: the run folder of a finished training.

    Raises:
        RunFolderError: the result cannot be read; the run was not tested; the file is missing, is
            no regular file, or is not the one that the training has written.
    """
    path = folder / PREDICTIONS
    wanted = read_result(folder).predictions_sha256
    if wanted is None:
        raise RunFolderError(
            f"{folder}: was not tested, as no trial of a search is, so there are no predictions."
        )
    try:
        content = read_regular_file(path, limit=_LARGEST)
    except FileNotFoundError as error:
        raise RunFolderError(f"{path}: is missing. {_advice(folder)}") from error
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be read: {error.strerror}. {_advice(folder)}"
        ) from error
    if content_sha256(content) != wanted:
        raise RunFolderError(
            f"{path}: damaged: its SHA-256 is not the one in the result. {_advice(folder)}"
        )
    try:
        tensors = safetensors.torch.load(content)
        kinds = {name: tensors[name].dtype for name in _KINDS}
    except (KeyError, safetensors.SafetensorError) as error:
        raise RunFolderError(
            f"{path}: holds no predictions that fmnistlab has written: {error!r}."
        ) from error
    for name, kind in _KINDS.items():
        if kinds[name] != kind:
            found = str(kinds[name]).removeprefix("torch.")
            raise RunFolderError(f"{path}: {name} are {found}, not {str(kind)[len('torch.') :]}.")
    _check(path, tensors)
    return RunPredictions(
        labels=tensors["labels"].long(),
        probabilities=tensors["probabilities"],
        targets=tensors["targets"].long(),
        images=tensors["images"],
    )


def _check(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuses tensors that no training writes; a result can be falsified together with its hash."""
    rows = len(tensors["labels"])
    shapes = {
        "labels": (rows,),
        "probabilities": (rows, NUM_CLASSES),
        "targets": (rows,),
        "images": (rows, hashlib.sha256().digest_size),
    }
    for name, wanted in shapes.items():
        if (shape := tuple(tensors[name].shape)) != wanted:
            raise RunFolderError(f"{path}: {name} has the shape {shape}, not {wanted}.")
    # By numpy: torch wakes its threads for each of these, which takes longer than they do.
    for name in ("labels", "targets"):
        if (tensors[name].numpy() >= NUM_CLASSES).any():
            raise RunFolderError(f"{path}: {name} must be from 0 to {NUM_CLASSES - 1}.")
    chances = tensors["probabilities"].numpy()
    if ((chances < 0) | (chances > 1)).any():  # nan is what scores without end give
        raise RunFolderError(f"{path}: probabilities must be from 0 to 1.")


def _advice(folder: Path) -> str:
    return (
        f"Train again in another folder, or remove {folder} first; the checkpoint in it can still "
        "predict."
    )


def in_order_of_images(found: RunPredictions) -> Int64[np.ndarray, "rows"]:
    """Returns the order of rows that sorts images by their names, and equal ones by their labels.

    Args:
        found: the predictions of a run.
    """
    keys = np.column_stack([found.images.numpy(), found.targets.numpy().astype(np.uint8)])
    return np.lexsort(keys.T[::-1])
