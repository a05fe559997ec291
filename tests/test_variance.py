"""The two kinds of chance, seeds and images: against simulations with known variances, and against statsmodels."""

from math import isnan

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from labkit.stats.differences import difference_over_seeds, with_images
from labkit.stats.variance import image_bound, image_parts

SEEDS, IMAGES = 8, 150


def world(
    random: np.random.Generator, of_seed: float, of_image: NDArray[np.float64], own: float, seeds: int = SEEDS
) -> NDArray[np.float64]:
    """Draw an array (seeds, images): a part of each seed, a part of each image, and a part of both together."""
    shape = (seeds, len(of_image))
    return random.normal(0, of_seed, (seeds, 1)) + of_image + random.normal(0, own, shape)


def test_the_variances_of_a_paired_simulation_come_out() -> None:
    random = np.random.default_rng(1)
    of_seed, of_image, own = 0.3, 1.2, 2.0
    found, means, inside = [], [], 0
    for _ in range(600):
        gain = world(random, of_seed, random.normal(0, of_image, IMAGES), own)
        between, mistakes = image_parts([gain])
        over_seeds = difference_over_seeds(np.zeros(SEEDS), gain.mean(axis=1), paired=True)
        both = with_images(over_seeds, between, mistakes)
        found.append((between, mistakes, both.error**2))
        means.append(both.mean)
        inside += both.low <= 0 <= both.high
    between, mistakes, total = np.mean(found, axis=0)
    assert between == pytest.approx(of_image**2 / IMAGES, rel=0.05)
    assert mistakes == pytest.approx(own**2 / (SEEDS * IMAGES), rel=0.02)
    true = of_seed**2 / SEEDS + of_image**2 / IMAGES + own**2 / (SEEDS * IMAGES)
    assert total == pytest.approx(true, rel=0.05)
    assert np.var(means) == pytest.approx(true, rel=0.15)
    assert inside / 600 >= 0.94  # the degrees of freedom are on the safe side: it may cover more than 95%


def test_the_variances_of_two_groups_on_the_same_images_come_out() -> None:
    random = np.random.default_rng(2)
    found, means, inside = [], [], 0
    for _ in range(600):
        shared = random.normal(0, 3.0, IMAGES)  # what is hard for both drops out of their difference
        first = world(random, 0.3, shared, 1.0, seeds=12)
        second = world(random, 0.1, shared + random.normal(0, 0.9, IMAGES), 2.0, seeds=5)
        between, mistakes = image_parts([first, second])
        over_seeds = difference_over_seeds(first.mean(axis=1), second.mean(axis=1), paired=False)
        both = with_images(over_seeds, between, mistakes)
        found.append((between, both.error**2))
        means.append(both.mean)
        inside += both.low <= 0 <= both.high
    between, total = np.mean(found, axis=0)
    assert between == pytest.approx(0.9**2 / IMAGES, rel=0.1)
    true = 0.3**2 / 12 + 0.1**2 / 5 + 0.9**2 / IMAGES + (1.0**2 / 12 + 2.0**2 / 5) / IMAGES
    assert total == pytest.approx(true, rel=0.1)
    assert np.var(means) == pytest.approx(true, rel=0.15)
    assert inside / 600 >= 0.94


def test_the_mean_squares_are_those_of_an_analysis_of_variance() -> None:
    anova = pytest.importorskip("statsmodels.stats.anova")
    from statsmodels.formula.api import ols

    random = np.random.default_rng(3)
    gain = world(random, 0.5, random.normal(0, 1.0, 12), 0.7, seeds=4)
    seeds, images = (axis.ravel() for axis in np.indices(gain.shape))
    table = anova.anova_lm(
        ols("gain ~ C(seed) + C(image)", pd.DataFrame({"gain": gain.ravel(), "seed": seeds, "image": images})).fit()
    )["mean_sq"]
    between, mistakes = image_parts([gain])
    assert mistakes == pytest.approx(table["Residual"] / gain.size)
    assert between == pytest.approx((table["C(image)"] - table["Residual"]) / gain.size)


def test_components_are_not_below_zero_and_one_seed_has_none() -> None:
    assert image_parts([np.eye(2)])[0] == 0
    assert all(isnan(part) for part in image_parts([np.ones((1, 5))]))
    assert all(isnan(part) for part in image_parts([np.ones((3, 5)), np.ones((1, 5))]))


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_the_bound_is_no_less_than_what_the_images_add(shared: float) -> None:
    random = np.random.default_rng(4)
    hard = random.beta(0.05, 1, 4000)
    other = np.where(random.random(4000) < shared, hard, random.permutation(hard))
    first, second = ((random.random((6, 4000)) > chance).astype(float) for chance in (hard, other))
    bound = image_bound(float(first.mean()), float(second.mean()), 4000)
    assert image_parts([second - first])[0] <= bound
    assert image_parts([first, second])[0] <= bound


def test_two_networks_without_mistakes_leave_nothing_to_the_images() -> None:
    assert image_bound(1.0, 1.0, 100) == 0
    # all mistakes of the one are right in the other: the variance of a share
    assert image_bound(0.9, 1.0, 100) == pytest.approx(0.1 * 0.9 / 100)
