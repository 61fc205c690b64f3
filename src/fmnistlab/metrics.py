"""What was measured: by batch, by epoch, by class, by image; and how sure one can be of it."""

from fmnistlab.training.extra_metrics.chosen import ExtraMetric as ExtraMetric
from fmnistlab.training.extra_metrics.chosen import MetricFunction as MetricFunction
from fmnistlab.training.extra_metrics.chosen import MetricObject as MetricObject
from fmnistlab.training.extra_metrics.mode import Mode as Mode
from fmnistlab.training.rate_range import LearningRateRange as LearningRateRange
from fmnistlab.training.records.classification import ClassScore as ClassScore
from fmnistlab.training.records.classification import ClassScores as ClassScores
from fmnistlab.training.records.classification import Confusion as Confusion
from fmnistlab.training.records.classification import class_scores as class_scores
from fmnistlab.training.records.classification import confusion_matrix as confusion_matrix
from fmnistlab.training.records.classification import most_confused as most_confused
from fmnistlab.training.records.classification import worst_mistakes as worst_mistakes
from fmnistlab.training.records.epoch_record import EpochRecord as EpochRecord
from fmnistlab.training.records.history import History as History
from fmnistlab.training.records.intervals_by_class import ClassIntervals as ClassIntervals
from fmnistlab.training.records.intervals_by_class import class_intervals as class_intervals
from fmnistlab.training.records.metrics import Metrics as Metrics
from fmnistlab.training.records.metrics import wilson_interval as wilson_interval
from fmnistlab.training.records.predictions import Predictions as Predictions
