"""The recipe: read from anywhere, checked at birth, written back complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from weitiao.core import i18n
from weitiao.core.errors import RecipeError
from weitiao.recipe import Recipe


@pytest.fixture(autouse=True)
def _english() -> None:
    i18n.use("en")


def test_what_is_written_reads_back_equal_and_complete() -> None:
    recipe = Recipe.parse('seed = 7\n[tune]\nlearning_rate = 3e-5\n[task]\nname = "classify"\n')
    text = recipe.to_toml()
    assert Recipe.parse(text) == recipe and Recipe.parse(text).hash == recipe.hash
    for key in ("warmup", "max_bad_share", "label_smoothing", "resamples"):
        assert key in text
    assert recipe.hash != Recipe().hash


def test_set_takes_toml_values_and_bare_words() -> None:
    recipe = Recipe().with_set("tune.learning_rate=3e-5", "model.name=e5-small", "data.columns.text=comment",
                               "task.name=classify", "tune.checkpointing=true")
    assert recipe.tune.learning_rate == 3e-5 and recipe.model.name == "e5-small"
    assert recipe.data.columns == {"text": "comment"} and recipe.task["name"] == "classify"
    assert recipe.tune.checkpointing is True


@pytest.mark.parametrize(("assignment", "code", "says"), [
    ("tune.learning_rat=1", "recipe.unknown_key", "learning_rate"),
    ("tun.epochs=1", "recipe.unknown_key", "tune"),
    ("tune.epochs=-1", "recipe.bad_value", "greater than 0"),
    ("tune.optimizer=adamx", "recipe.bad_value", "adamw"),
    ("tune.epochs", "recipe.bad_set", "--set"),
    ("task.name=clasify", "plugin.unknown", "classify"),
    ("method.name=lorra", "plugin.unknown", "lora"),
    ("tune.learning_rate=nan", "recipe.bad_value", "finite"),
])
def test_a_wrong_setting_is_answered_with_the_right_one(assignment: str, code: str, says: str) -> None:
    with pytest.raises(RecipeError) as e:
        Recipe().with_set(assignment)
    assert e.value.code == code and says in str(e.value)


def test_a_wrong_option_of_a_plugin_is_named() -> None:
    with pytest.raises(RecipeError) as e:
        Recipe.build({"task": {"name": "classify", "label_smooting": 0.1}})
    assert e.value.code == "recipe.unknown_key" and "task.label_smooting" in str(e.value)
    assert "label_smoothing" in e.value.fix


def test_toml_errors_name_the_file_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text("[tune]\nepochs = \n", encoding="utf-8")
    with pytest.raises(RecipeError) as e:
        Recipe.read(path)
    assert e.value.code == "recipe.not_toml" and "line 2" in str(e.value) and str(path) in str(e.value)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError) as e:
        Recipe.read(path)
    assert e.value.code == "recipe.unreadable"


def test_the_schema_lists_every_plugin_with_its_options() -> None:
    schema = Recipe.json_schema()
    names = [p["properties"]["name"]["const"] for p in schema["properties"]["task"]["anyOf"]]
    assert {"classify", "regress", "auto"} <= set(names)
    assert "description" in schema["$defs"]["Tune"]["properties"]["learning_rate"]


def test_sections_laid_over_keep_the_rest() -> None:
    recipe = Recipe().updated({"tune": {"epochs": 2}}).updated({"tune": {"clip": 0.5}, "seed": 3})
    assert recipe.tune.epochs == 2 and recipe.tune.clip == 0.5 and recipe.seed == 3
