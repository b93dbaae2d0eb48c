"""The space: what a person reads, changes and gets wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from weitiao.core.errors import RecipeError
from weitiao.recipe import Recipe
from weitiao.searching.space import Space, lookup

RECIPE = Recipe.build({"tune": {"learning_rate": 2e-4, "head_learning_rate": 2e-4, "epochs": 4.0, "batch_size": 16,
                                "micro_batch_size": 16}})


def refused(tmp_path: Path, text: str) -> RecipeError:
    path = tmp_path / "space.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as e:
        Space.read(path, RECIPE)
    assert e.value.code == "search.bad_space"
    assert e.value.where.startswith(f"{path}")
    return e.value


def test_bounds_follow_the_default() -> None:
    space = Space.default(RECIPE, head=True)
    assert space.dimensions["tune.learning_rate"].bounds(2e-4) == (5e-05, 0.0008)
    assert space.dimensions["tune.batch_size"].choices == (8, 16, 32)
    assert "tune.head_learning_rate" not in Space.default(RECIPE, head=False).dimensions


@pytest.mark.parametrize(("method", "moves", "stays"), [
    ("lora", "method.rank", "model.dropout"), ("full", "model.dropout", "method.rank"),
    ("head", "tune.learning_rate", "model.dropout")])
def test_each_method_has_its_own(method: str, moves: str, stays: str) -> None:
    found = Space.default(RECIPE.updated({"method": {"name": method}}), head=True).dimensions
    assert moves in found and stays not in found


def test_a_default_at_an_end_still_lies_within() -> None:
    Space.default(RECIPE.updated({"tune": {"warmup": 0.6, "weight_decay": 0.5, "batch_size": 1}}), head=True)


def test_steps_move_where_they_are_named() -> None:
    found = Space.default(RECIPE.updated({"tune": {"steps": 10}}), head=False).dimensions
    assert found["tune.steps"].bounds(10) == (5, 20) and "tune.epochs" not in found


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    for method in ("full", "lora"):
        recipe = RECIPE.updated({"method": {"name": method}})
        space = Space.default(recipe, head=True)
        (tmp_path / "space.toml").write_text(space.write(recipe), encoding="utf-8")
        assert Space.read(tmp_path / "space.toml", recipe) == space
    assert "# default 0.0002: from 5e-05 to 0.0008\n[tune.learning_rate]\ntimes = [0.25, 4.0]\nlog = true\n" in space.write(recipe)


def test_drawn_values_land_in_the_recipe() -> None:
    recipe = RECIPE.updated({"method": {"name": "lora"}})
    space = Space.default(recipe, head=True)
    got = space.apply(recipe, {"tune.learning_rate": 0.000123456, "tune.batch_size": 32, "method.rank": 8})
    assert (got.tune.learning_rate, got.tune.batch_size, got.tune.micro_batch_size) == (0.000123, 32, 32)
    assert got.method["rank"] == 8 and got.method["alpha"] == 32.0
    assert space.apply(recipe, space.defaults(recipe)) == recipe
    kept = recipe.updated({"tune": {"micro_batch_size": 4}})  # the owner's own: not for us to raise
    assert space.apply(kept, {"tune.batch_size": 32}).tune.micro_batch_size == 4


def test_optuna_draws_within_the_bounds() -> None:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    recipe = RECIPE.updated({"tune": {"steps": 10}})
    found = Space.default(recipe, head=True).distributions(recipe)
    assert found["tune.learning_rate"] == FloatDistribution(5e-5, 8e-4, log=True)
    assert found["tune.steps"] == IntDistribution(5, 20, log=True)
    assert found["tune.batch_size"] == CategoricalDistribution((8, 16, 32))


@pytest.mark.parametrize(("text", "place", "says"), [
    ("[tune.learning_rat]\ntimes=[0.5, 2]", ":1:tune.learning_rat", "tune.learning_rate"),
    ("\n\n[tune.epochs]\nlog=true\ntimes=[0.5, 'x']", ":5:tune.epochs.times.1", "number"),
    ("[tune.epochs]\ntimes=[0.5, 2]\nbetween=[1, 5]", ":1:tune.epochs", "exactly one"),
    ("[tune.epochs]\ntimes=[2, 0.5]", ":1:tune.epochs", "smaller one first"),
    ("[tune.epochs]\nspread=3", ":2:tune.epochs.spread", "not permitted"),
    ("[tune.epochs]\ntimes=[2.0, 4.0]", ":1:tune.epochs", "hold it"),
    ("[tune.batch_size]\nchoices=[8, 32]", ":1:tune.batch_size", "hold it"),
    ("[tune.warmup]\nbetween=[0.0, 1.5]", ":1:tune.warmup", "less than 1"),
    ("[tune.weight_decay]\nbetween=[0.0, 1.0]\nlog=true", ":1:tune.weight_decay", "above 0"),
    ("[tune.optimizer]\ntimes=[1, 2]", ":1:tune.optimizer", "choices"),
    ("[tune.time]\nchoices=['', '5m']", ":1:tune.time", "tune.learning_rate"),
    ("[data.columns]\nchoices=['a', 'b']", ":1:data.columns", "tune.learning_rate"),
    ("tune = 3", "tune", ""),
    ("", "", "learning_rate"),
    ("[tune.epochs", "", ""),
])
def test_a_wrong_line_is_named(tmp_path: Path, text: str, place: str, says: str) -> None:
    error = refused(tmp_path, text)
    assert error.where.endswith(place), error
    assert says in str(error), error


def test_keys_are_found_in_their_own_table(tmp_path: Path) -> None:
    text = "[tune.warmup]\nbetween = [0.0, 0.3]\n# [tune.epochs]\n[ tune . epochs ]\nbetween = [1.0]\n"
    assert ":5:tune.epochs.between" in refused(tmp_path, text).where


def test_lookup_reads_sections() -> None:
    assert lookup(RECIPE, "tune.batch_size") == 16 and lookup(RECIPE, "method.name") == "full"
