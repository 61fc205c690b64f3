"""What the contenders on torch share: model, tensors, loader."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.contenders.contender import Contender
from benchmarks.images import Images
from benchmarks.task import Task
from fmnistlab import create_model


class TorchContender(Contender):
    """A contender that trains an `nn.Module` as it is written."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        torch.set_num_threads(task.threads)
        torch.manual_seed(task.seed)
        self.module: nn.Module = create_model(task.model)
        self.criterion = nn.CrossEntropyLoss()

    def lay_channels_last(self) -> None:
        """Brings the weights of convolutions into the layout in which pools are fast."""
        if self.task.model == "cnn":
            convert_conv2d_weight_memory_format(self.module, torch.channels_last)

    def scores(self, pixels: np.ndarray) -> np.ndarray:
        """Returns logits of all images in one batch."""
        self.module.eval()
        with torch.inference_mode():
            return self.module(float_images(pixels)).numpy()

    def loader(self, images: Images, *, shuffle: bool = True) -> DataLoader[tuple[Tensor, ...]]:
        """Returns a loader of batches of floats and labels that lie in memory."""
        data = TensorDataset(float_images(images.pixels), torch.from_numpy(images.labels))
        return DataLoader(data, batch_size=self.task.batch_size, shuffle=shuffle)


def float_images(pixels: np.ndarray) -> Tensor:
    """Returns pixels uint8 (n, 28, 28) as float32 (n, 1, 28, 28) in 0..1."""
    return torch.from_numpy(pixels).unsqueeze(1).to(torch.float32).div_(255)
