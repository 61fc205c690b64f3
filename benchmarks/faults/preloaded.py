"""What torch imports when its first optimizer is made: a second that each fork would spend anew."""

from __future__ import annotations

import torch._dynamo  # noqa: F401 - for the sake of the import alone
