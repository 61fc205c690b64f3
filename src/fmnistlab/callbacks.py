"""Callbacks: what watches a fit.

`Run`, `Setup`, `BatchResult` and `EpochRecord` are what their hooks are given.

`DevicePlacement` and `HistoryRecorder` are installed by the trainer itself, in front of all others.
"""

from fmnistlab.training.callbacks.base import Callback as Callback
from fmnistlab.training.callbacks.best_weights import BestWeights as BestWeights
from fmnistlab.training.callbacks.checkpointing import Checkpointing as Checkpointing
from fmnistlab.training.callbacks.csv_log import CsvLog as CsvLog
from fmnistlab.training.callbacks.history import HistoryRecorder as HistoryRecorder
from fmnistlab.training.callbacks.logging import LogLines as LogLines
from fmnistlab.training.callbacks.monitor import Monitor as Monitor
from fmnistlab.training.callbacks.placement import DevicePlacement as DevicePlacement
from fmnistlab.training.callbacks.progress import ProgressBar as ProgressBar
from fmnistlab.training.callbacks.pruning import Prunable as Prunable
from fmnistlab.training.callbacks.pruning import TrialPruning as TrialPruning
from fmnistlab.training.callbacks.run import BatchResult as BatchResult
from fmnistlab.training.callbacks.run import Run as Run
from fmnistlab.training.callbacks.run import Setup as Setup
from fmnistlab.training.callbacks.stopping import EarlyStopping as EarlyStopping
from fmnistlab.training.checkpoints.file import Checkpoint as Checkpoint
from fmnistlab.training.checkpoints.folder import newest_checkpoint as newest_checkpoint
from fmnistlab.training.records.epoch_record import EpochRecord as EpochRecord
