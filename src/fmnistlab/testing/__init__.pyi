from . import strategies as strategies
from .callbacks import RecordingCallback as RecordingCallback
from .callbacks import check_callback as check_callback
from .models import check_model as check_model
from .small_data import tiny_dataset as tiny_dataset
from .small_data import write_tiny_csv as write_tiny_csv
