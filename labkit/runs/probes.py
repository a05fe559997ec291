"""What a look into a network with one image is: its probabilities and what each layer makes of it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# Takes an image, uint8 (28, 28). Gives the probabilities, (classes,), and by layer the feature maps, (maps, height,
# width), or values, (n,).
Probe = Callable[[Bytes], tuple[Floats, dict[str, Floats]]]
