"""How well two masks agree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def dice(prediction: npt.NDArray[np.bool_], reference: npt.NDArray[np.bool_]) -> float:
    """Dice coefficient 2|A∩B| / (|A| + |B|); 1 where both masks are empty (BraTS rule).

    Args:
        prediction: Bool, any shape.
        reference: Bool, the same shape.
    """
    total = int(np.count_nonzero(prediction)) + int(np.count_nonzero(reference))
    if total == 0:
        return 1.0
    return 2.0 * int(np.count_nonzero(prediction & reference)) / total
