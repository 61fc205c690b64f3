"""Array types that carry a shape: ``Float[Tensor, "batch 1 28 28"]``.

For type checkers and at run time these are `typing.Annotated`, so the shape is a note to the
reader. Where jaxtyping is installed, as it is in our tests, they are jaxtyping's own types and a
checker such as beartype can hold each call to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Annotated as Bool
    from typing import Annotated as Float
    from typing import Annotated as Int64
    from typing import Annotated as Shaped
    from typing import Annotated as UInt8
else:
    try:
        from jaxtyping import Bool, Float, Int64, Shaped, UInt8
    except ImportError:
        from typing import Annotated

        Bool = Float = Int64 = Shaped = UInt8 = Annotated

__all__ = ["Bool", "Float", "Int64", "Shaped", "UInt8"]
