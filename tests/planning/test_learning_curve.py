"""The learning curve: a power law that is found again, intervals that hold it, and what is said of its end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.optimize import curve_fit

from weitiao.planning.curve import LEAST, Curve, fit, fitted, measure

SIZES = np.array([50.0, 100, 200, 400, 800])


def law(n: float | np.ndarray, a: float, b: float, c: float) -> np.ndarray:
    return np.asarray(a + b * np.asarray(n) ** -c)


@pytest.mark.parametrize("truth", [(0.1, 2.0, 0.5), (0.0, 1.0, 0.3), (0.05, 8.0, 1.0)])
def test_a_curve_without_noise_is_found_again(truth: tuple[float, float, float]) -> None:
    got = fit(SIZES, law(SIZES, *truth))
    assert law(1600, *got) == pytest.approx(law(1600, *truth), abs=1e-3)


def test_noisy_points_are_fitted_as_scipy_fits_them() -> None:
    errors = law(SIZES, 0.1, 2.0, 0.6) + np.random.default_rng(0).normal(0, 0.003, 5)
    want, _ = curve_fit(law, SIZES, errors, p0=(0.1, 1, 0.5), bounds=([0, 0, 0.1], [1, 50, 2]))
    got = fit(SIZES, errors)
    residual = ((law(SIZES, *got) - errors) ** 2).sum()
    assert residual <= 1.02 * ((law(SIZES, *want) - errors) ** 2).sum()


def test_no_curve_promises_that_labels_harm() -> None:
    got = fit(SIZES, np.array([0.2, 0.22, 0.21, 0.23, 0.24]))
    assert (got[:2] >= 0).all() and law(1600, *got) <= law(800, *got)


def coin(share: float, rows: int, random: np.random.Generator) -> list[int]:
    """1 for a wrong answer."""
    return (random.random(rows) < share).astype(int).tolist()


def test_the_interval_holds_the_gain_of_the_law() -> None:
    truth = (0.1, 1.5, 0.5)
    want = law(800, *truth) - law(1600, *truth)
    held = 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        points = [(n, [coin(float(law(n, *truth)), 1000, random) for _ in range(3)]) for n in SIZES]
        curve = fitted(points, lambda outputs, numbers: float(np.mean(outputs)), list(range(1000)), seed)
        gain = curve.gain(800, 1600)
        assert gain.low <= gain.value <= gain.high
        held += gain.low <= want <= gain.high
    assert held >= 9  # of 12; 95 % would be 11.4


def test_a_curve_that_missed_its_last_point_is_less_sure() -> None:
    """The same rows are hard at each size, so nothing but the last point differs: once as the law says, once the errors
    stay where they were."""
    errors = law(SIZES, 0.1, 1.5, 0.5)
    def curve(ends: Sequence[float]) -> Curve:
        points = [(n, [[int(row < 1000 * e) for row in range(1000)]] * 3) for n, e in zip(SIZES, ends, strict=True)]
        return fitted(points, lambda outputs, numbers: float(np.mean(outputs)), list(range(1000)), 1)

    sure, unsure = curve(errors), curve([*errors[:-1], errors[-2] + 0.02])
    assert sure.miss < 0.01 < 0.04 < unsure.miss
    (near, far), (wide, wider) = ([g.high - g.low for g in (c.gain(800, 1600), c.gain(800, 3200))]
                                  for c in (sure, unsure))
    assert wide > 2 * near and wider > wide and far > near


def test_where_more_labels_stop_to_pay() -> None:
    power = np.array([0.1, 2.0, 0.5])
    curve = Curve(SIZES, law(SIZES, *power), SIZES * 0, power, power[None])
    enough = curve.enough(1000, 1000, 0.003)
    assert enough == 5000  # by hand: 2/sqrt(5000) − 2/sqrt(6000) = 0.0025; at 2000 0.0082
    assert curve.enough(1000, 1000, 1e-9) is None
    flat = Curve(SIZES, SIZES, SIZES, np.array([0.2, 0.0, 1.0]), power[None])
    assert flat.enough(1000, 1000, 0.003) == 1000


def test_parts_are_nested_and_judged_on_the_rows_of_their_fold() -> None:
    seen: list[tuple[list[int], list[int]]] = []

    def learn(train: Sequence[int], judged: Sequence[int]) -> list[int]:
        seen.append((list(train), list(judged)))
        return [len(train)] * len(judged)

    folds = [(range(LEAST * 8), range(1000, 1004)), (range(LEAST * 8, LEAST * 16), range(1004, 1007))]
    points = measure(learn, folds, seed=1)
    assert [n for n, _ in points] == [LEAST, LEAST * 2, LEAST * 4, LEAST * 8]
    assert [len(orders) for _, orders in points] == [3, 3, 3, 1]
    assert points[0][1][0] == [LEAST] * 7
    by_size = {len(train): set(train) for train, judged in seen[::-1] if judged[0] == 1000}
    assert by_size[LEAST] < by_size[LEAST * 2] < by_size[LEAST * 8] == set(folds[0][0])
