"""The three parts of the data that an experiment sees."""

from __future__ import annotations

from typing import NamedTuple

from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.source import load_data
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.foundation.logger import get_logger

_logger = get_logger(__name__)


class Parts(NamedTuple):
    """Three data sets.

    Attributes:
        fit: what is learned from.
        valid: what is measured after each epoch.
        test: what is measured once, at the end.
    """

    fit: FashionMNISTCSV
    valid: FashionMNISTCSV
    test: FashionMNISTCSV


def load_parts(config: ExperimentConfig) -> Parts:
    """Reads and splits the data of an experiment.

    Args:
        config: says where the data is and how it is split.

    Raises:
        DataError: as of `load_data`.
        ConfigurationError: the data cannot be split so.
    """
    if config.data is None and config.train is None:
        _logger.info("reading the data that ships with fmnistlab")
    train, test = load_data(config.data, train=config.train, test=config.test)
    return Parts(*train.split(config.valid_fraction, config.split_seed), test)
