"""The tutorial's own training loop, as its readers write it; the baseline of all ratios.

A data set that converts one image at a time, a DataLoader that collates them, one-hot labels, an
optimizer with default settings, a progress bar, and numbers read from the device in every step.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm


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


def tutorial_steps(model: nn.Module, images: np.ndarray, labels: np.ndarray) -> Iterator[float]:
    """Trains for ever, and yields the loss of each step."""
    device = torch.device("cpu")
    loader = DataLoader(TutorialDataset(images, labels), batch_size=32, shuffle=True)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters())
    while True:
        model.train()
        total_loss, total_correct, seen = 0.0, 0, 0
        for batch in tqdm(loader, leave=False, disable=None):
            batch_images, batch_labels = batch[0].to(device), batch[1].to(device)
            optimizer.zero_grad()
            outputs = model(batch_images)
            loss = criterion(outputs, batch_labels)
            loss.backward()
            optimizer.step()
            total_loss += loss.item()
            total_correct += (outputs.argmax(1) == batch_labels.argmax(1)).sum().item()
            seen += len(batch_labels)
            yield loss.item()
