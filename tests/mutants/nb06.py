"""Typical wrong answers to the exercises of notebook 06."""

from math import sqrt
from typing import Any

MUTANTS: dict[str, list[Any]] = {
    "06-1": [
        348_682,  # without batch normalisation
        349_066,  # with the running statistics
        422_474,  # of deep-bn itself
        317_898,  # 3x3 kernels
    ],
    "06-2": [
        lambda mean, variance, weight, bias, epsilon: (weight / sqrt(variance + epsilon), bias),  # the mean forgotten
        lambda mean, variance, weight, bias, epsilon: (
            weight / (variance + epsilon),
            bias - mean * weight / (variance + epsilon),
        ),  # no root
        lambda mean, variance, weight, bias, epsilon: (
            weight / (sqrt(variance) + epsilon),
            bias - mean * weight / (sqrt(variance) + epsilon),
        ),  # epsilon outside the root
        lambda mean, variance, weight, bias, epsilon: (
            weight / sqrt(variance + epsilon),
            bias - mean / sqrt(variance + epsilon),
        ),  # the mean not multiplied by the weight
        lambda mean, variance, weight, bias, epsilon: (
            weight / sqrt(variance + epsilon),
            bias + mean * weight / sqrt(variance + epsilon),
        ),  # the sign
    ],
    "06-3": [
        64,  # one seed
        36,  # one of six, each on and off
        42,  # those of this notebook
        216,  # 6 to the power of 3
    ],
}
