"""The tutorial's own training loop, as its readers write it; the baseline of all ratios.

A data set that converts one image at a time, a DataLoader that collates them, one-hot labels, an
optimizer with default settings, a progress bar, and numbers read from the device in every step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from benchmarks.contenders.torch_model import TorchContender
from benchmarks.images import Images


class TutorialDataset(Dataset[tuple[Tensor, Tensor]]):
    """One image at a time, from the array that pandas read."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.images[index].astype(np.float32) / 255.0
        label = torch.zeros(10)
        label[self.labels[index]] = 1.0
        return torch.tensor(image).reshape(1, 28, 28), label


class Tutorial(TorchContender):
    """The loop of the tutorial."""

    def epoch(self, images: Images) -> Callable[[], tuple[float, float]]:
        """Returns what trains for one epoch and gives mean loss and accuracy."""
        data = TutorialDataset(images.pixels, images.labels)
        loader = DataLoader(data, batch_size=self.task.batch_size, shuffle=True)
        device = torch.device("cpu")
        optimizer = torch.optim.Adam(self.module.parameters())

        def train() -> tuple[float, float]:
            self.module.train()
            total_loss, total_correct, seen = 0.0, 0, 0
            for batch in tqdm(loader, leave=False):
                batch_images, batch_labels = batch[0].to(device), batch[1].to(device)
                optimizer.zero_grad()
                outputs = self.module(batch_images)
                loss = self.criterion(outputs, batch_labels)
                loss.backward()
                optimizer.step()
                total_loss += loss.item()
                total_correct += (outputs.argmax(1) == batch_labels.argmax(1)).sum().item()
                seen += len(batch_labels)
            return total_loss / len(loader), total_correct / seen

        return train
