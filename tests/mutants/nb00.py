"""Wrong answers to the exercises of notebook 00: each is a mistake that a student makes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def windows(image: Array, height: int, width: int, size: int, step: int) -> Any:
    return [
        [image[row * step : row * step + size, column * step : column * step + size] for column in range(width)]
        for row in range(height)
    ]


def pool(image: Array, size: int, value: Any = np.mean) -> Array:
    parts = windows(image, image.shape[0] // size, image.shape[1] // size, size, size)
    return np.array([[value(part) for part in row] for row in parts])


def pool_with_the_rest(image: Array, size: int) -> Array:
    parts = windows(image, -(-image.shape[0] // size), -(-image.shape[1] // size), size, size)
    return np.array([[np.mean(part) for part in row] for row in parts])


def pool_step_by_step(image: Array, size: int) -> Array:
    parts = windows(image, image.shape[0] - size + 1, image.shape[1] - size + 1, size, 1)
    return np.array([[np.mean(part) for part in row] for row in parts])


def pool_a_square(image: Array, size: int) -> Array:
    return pool(image[: min(image.shape), : min(image.shape)], size)


def convolve(image: Array, kernel: Array, stride: int, height: int, width: int) -> Array:
    parts = windows(image, height, width, len(kernel), stride)
    return np.array([[np.sum(part * kernel) for part in row] for row in parts])


def every_position(image: Array, kernel: Array, stride: int) -> Array:
    return convolve(image, kernel, 1, image.shape[0] - len(kernel) + 1, image.shape[1] - len(kernel) + 1)


def without_the_last(image: Array, kernel: Array, stride: int) -> Array:
    height, width = ((n - len(kernel)) // stride for n in image.shape)
    return convolve(image, kernel, stride, height, width)


def right_size_but_no_stride(image: Array, kernel: Array, stride: int) -> Array:
    height, width = ((n - len(kernel)) // stride + 1 for n in image.shape)
    return convolve(image, kernel, 1, height, width)


def rows_only(image: Array, kernel: Array, stride: int) -> Array:
    return every_position(image, kernel, stride)[::stride]


def kernel_upside_down(image: Array, kernel: Array, stride: int) -> Array:
    return every_position(image, kernel[::-1, ::-1], stride)[::stride, ::stride]


def for_squares(image: Array, kernel: Array, stride: int) -> Array:
    positions = (image.shape[0] - len(kernel)) // stride + 1
    return convolve(image, kernel, stride, positions, positions)


def for_3x3_kernels(image: Array, kernel: Array, stride: int) -> Array:
    height, width = ((n - 3) // stride + 1 for n in image.shape)
    return convolve(image, kernel, stride, height, width)


MUTANTS: dict[str, list[Any]] = {
    "00-1": [
        [[0, 0, 0], [1, 0, 0], [0, 0, 0]],  # to the right
        [[0, 0, 0], [0, 0, 0], [0, 1, 0]],  # up
        [[0, 0, 0], [0, 1, 0], [0, 0, 0]],  # not at all
        [[0, 0, 0], [0, 1, 1], [0, 0, 0]],  # and the old image too
        [[0, 0, 1], [0, 0, 1], [0, 0, 1]],  # and blurred
    ],
    "00-2": [
        lambda image, size: pool(image, size, np.max),
        lambda image, size: pool(image, size, np.sum),
        lambda image, size: pool(image, size, np.median),
        lambda image, size: pool(image, 2),
        pool_with_the_rest,
        pool_step_by_step,
        pool_a_square,
    ],
    "00-3": [
        10,  # jumps left out, pooling as a kernel of 2 as well
        14,  # before the second pooling
        18,  # the second pooling adds two jumps too many
        13,  # 5 + 4 * 2: pooling adds nothing
        20,
    ],
    "00-4": [
        every_position,
        without_the_last,
        right_size_but_no_stride,
        rows_only,
        kernel_upside_down,
        for_squares,
        for_3x3_kernels,
    ],
}
