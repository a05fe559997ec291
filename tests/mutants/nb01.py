"""Typical wrong answers to the exercises of notebook 01."""

import math
from typing import Any

MUTANTS: dict[str, list[Any]] = {
    "01-1": [
        32 * 5 * 5 * 64,  # no biases
        32 * (5 * 5 + 1),  # kernels without depth
        64 * (5 * 5 * 32 + 1),  # the channels the wrong way round
        32 * 5 * 5 * 64 + 64,  # a bias for each input channel
        36_928,  # the network as it is
    ],
    "01-2": [
        lambda width, kernel, pool: (width - kernel + 1) // 2,  # pool is always 2
        lambda width, kernel, pool: (width - 2) // pool,  # kernel is always 3
        lambda width, kernel, pool: (width - kernel) // pool,  # one position too few
        lambda width, kernel, pool: width // pool,  # as with padding
        lambda width, kernel, pool: math.ceil((width - kernel + 1) / pool),  # a window that is not full counts
        lambda width, kernel, pool: (width - kernel + 1) / pool,
        lambda width, kernel, pool: width // pool - kernel + 1,  # pooling first
        lambda width, kernel, pool: width - kernel + 1 - pool + 1,  # windows that overlap
    ],
    "01-3": [468, 468.75, 470, 60_000 / 128, 5 * 469, 96],
    "01-4": [
        -math.log((0.8 + 0.1) / 2),  # the logarithm of the mean
        -math.log(0.8) - math.log(0.1),  # the sum
        -(math.log10(0.8) + math.log10(0.1)) / 2,
        -(math.log2(0.8) + math.log2(0.1)) / 2,
        (math.log(0.8) + math.log(0.1)) / 2,  # the sign
        (-math.log(0.8) - math.log(0.9)) / 2,  # of the other classes
        1.3,  # one decimal
    ],
}
