"""Forecasts and phases are plain arithmetic."""

from __future__ import annotations

import pytest

from weitiao.core.errors import RecipeError
from weitiao.recipe import Recipe
from weitiao.searching.budget import Speeds, enough, share
from weitiao.searching.trial import Pace, steps

RECIPE = Recipe.build({"tune": {"epochs": 3.0, "batch_size": 16, "learning_rate": 1e-4}})


def test_time_is_forecast_from_trials_with_the_same_batch() -> None:
    speeds = Speeds([Pace(1000, 10.0, 2.0, 12.0, 16), Pace(500, 20.0, 4.0, 24.0, 8), Pace(3000, 26.0, 3.0, 29.0, 16)])
    assert speeds.row(16) == pytest.approx(36 / 4000) and speeds.row(8) == pytest.approx(0.04)
    assert speeds.row(32) == pytest.approx(56 / 4500)
    # 161 rows: 11 updates an epoch, 33 in all, of 16 rows
    assert speeds.tuning(RECIPE, 161) == pytest.approx(3.0 + 33 * 16 * 0.009)
    assert speeds.trial(RECIPE, [161, 161]) == pytest.approx(2 * speeds.tuning(RECIPE, 161))


def test_a_busy_machine_makes_the_full_run_longer() -> None:
    """Known costs count as often as measured ones took longer than was computed; two threads count once."""
    quiet, busy = Speeds([Pace(1000, 10.0, 2.0, 12.0, 16)]), Speeds([Pace(1000, 10.0, 2.0, 3.0, 16)])
    assert (quiet.busy, busy.busy) == (1.0, 4.0) and Speeds([Pace(1000, 10.0, 2.0, 24.0, 16)]).busy == 1.0
    long, short = (s.final(RECIPE, 161, 100, writes=False) for s in (busy, quiet))
    assert long - short == pytest.approx(3 * 5.0)  # 4 s of imports and baselines, 1 s of pages
    assert short == pytest.approx(quiet.tuning(RECIPE, 161) + 5.0 + 0.01 * (1.2 * 100 + 0.4 * 261))


def test_steps_are_those_that_tuning_plans() -> None:
    from weitiao.tuning.plan import steps as planned

    for rows in (1, 16, 17, 161):
        assert steps(RECIPE, rows) == planned(RECIPE.tune, -(-rows // 16), 0.0, lambda: 0.0)
    assert steps(RECIPE.updated({"tune": {"steps": 7}}), 161) == 7


@pytest.mark.parametrize(("budget", "seeds"), [(3600, 5), (1500, 3), (1000, 2), (700, 0)])
def test_seeds_as_many_as_fit(budget: float, seeds: int) -> None:
    got = share(budget, spent=50, trial=95, best=105, final=100)
    assert got.seeds == seeds
    assert got.search_until == pytest.approx(got.confirm_until - seeds * 200)
    assert got.confirm_until + got.final == pytest.approx(budget)


def test_while_nothing_is_better_the_search_goes_on() -> None:
    found, none = (share(3600, spent=50, trial=100, best=best, final=100) for best in (100, None))
    assert found.seeds == none.seeds == 5
    assert none.search_until - found.search_until == pytest.approx(3 * 200)


def test_a_budget_that_holds_no_search_is_refused_with_one_that_does() -> None:
    enough(300, spent=10, trial=60, final=90)
    with pytest.raises(RecipeError) as e:
        enough(200, spent=10, trial=60, final=90)
    assert e.value.code == "search.budget_too_small" and "18m for three seeds" in e.value.expected
