"""Every "auto" becomes a value with a reason, and what the user named stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from weitiao.core import files
from weitiao.core.errors import ModelError
from weitiao.prepare import prepare
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.select import select, summary
from weitiao.select.defaults import Facts, defaults

FACTS = Facts(rows=9000, outputs=10, kind="encoder", parameters=118_000_000, embedding_parameters=96_000_000,
              method="full", task="classify")


@pytest.fixture
def run(tmp_path: Path) -> tuple[Recipe, Run]:
    lines = [f"{w} food {i},{y}" for i in range(15) for w, y in (("good", "pos"), ("bad", "neg"))]
    (tmp_path / "a.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    recipe = Recipe.build({"data": {"train": [str(tmp_path / "a.csv")]}})
    run = Run.create(tmp_path / "run", recipe.to_toml(), recipe.hash, {})
    prepare(recipe, run)
    return recipe, run


def test_nothing_that_decides_the_result_is_left_to_chance(run: tuple[Recipe, Run], tiny_folder: Path) -> None:
    recipe, home = run
    resolved = select(recipe.updated({"model": {"name": str(tiny_folder)}}), home)
    for key in ("epochs", "batch_size", "micro_batch_size", "learning_rate", "head_learning_rate", "embeddings"):
        assert getattr(resolved.tune, key) != "auto", key
    assert resolved.task["name"] == "classify" and resolved.data.columns == {"text": "text", "label": "label"}
    assert resolved.model.max_length == 64  # all that this model can read
    decision = files.read_json(home.folder / "select" / "decision.json")
    assert decision["base"]["reason"] and decision["forecast"]["memory_gb"] > 0.5
    assert len(summary(decision, resolved)) == 3


def test_what_was_named_stays(run: tuple[Recipe, Run], tiny_folder: Path) -> None:
    recipe, home = run
    asked = recipe.updated({"model": {"name": str(tiny_folder), "max_length": 32},
                            "tune": {"learning_rate": 0.5, "epochs": 7, "metric": "accuracy"}})
    resolved = select(asked, home)
    assert (resolved.tune.learning_rate, resolved.tune.epochs, resolved.tune.metric) == (0.5, 7, "accuracy")
    assert resolved.model.max_length == 32
    assert "learning_rate" not in files.read_json(home.folder / "select" / "decision.json")["tune"]["values"]


def test_a_budget_of_time_bounds_the_forecast(run: tuple[Recipe, Run], tiny_folder: Path) -> None:
    recipe, home = run
    slow = {"model": {"name": str(tiny_folder)}, "tune": {"epochs": 1e9}}
    select(recipe.updated(slow), home)
    assert files.read_json(home.folder / "select" / "decision.json")["forecast"]["seconds"] > 300
    select(recipe.updated(slow | {"tune": {"epochs": 1e9, "time": "5m"}}), home)
    assert files.read_json(home.folder / "select" / "decision.json")["forecast"]["seconds"] == 300


def test_a_length_that_the_model_cannot_read_is_refused(run: tuple[Recipe, Run], tiny_folder: Path) -> None:
    recipe, home = run
    with pytest.raises(ModelError) as e:
        select(recipe.updated({"model": {"name": str(tiny_folder), "max_length": 65}}), home)
    assert e.value.code == "model.too_long" and "64" in str(e.value)
    assert not (home.folder / "select").exists()


def test_without_a_name_the_language_chooses(run: tuple[Recipe, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    from weitiao import models

    wanted = []

    def find(name: str, **_: object) -> None:
        wanted.append(name)
        raise ModelError("stop", "")

    monkeypatch.setattr(models, "find", find)
    with pytest.raises(ModelError):
        select(run[0], run[1])
    assert wanted == ["minilm"]


def test_more_rows_need_fewer_epochs() -> None:
    epochs = [defaults(replace(FACTS, rows=n))[0]["epochs"] for n in (100, 1000, 3000, 9000, 50_000, 1_000_000)]
    assert epochs == sorted(epochs, reverse=True) and epochs[-1] >= 1
    rates = {m: defaults(replace(FACTS, method=m))[0]["learning_rate"] for m in ("full", "lora", "head")}
    assert rates["full"] < rates["lora"] <= rates["head"]


def test_an_encoder_that_is_to_translate_gets_time() -> None:
    pair = replace(FACTS, outputs=0, task="translate")
    values, _ = defaults(pair)
    other, _ = defaults(replace(pair, kind="encoder-decoder"))
    assert values["epochs"] > other["epochs"] and values["learning_rate"] > other["learning_rate"]
    from weitiao import models

    name, why = models.suggest("en", 100, "translation", ("en", "zh"))
    assert name == "e5-small" and "--model" in why


def test_a_starter_that_translates_these_languages_is_taken() -> None:
    from weitiao import models

    for pair, want in ((("en", "pt"), "bergamot-tiny-enpt"), (("en", "pt-BR"), "bergamot-tiny-enpt"), (("por_Latn", "eng"), "bergamot-tiny-pten"),
                       (("pt", "de"), "e5-small"), (("", "pt"), "e5-small"), (("", ""), "e5-small")):
        name, why = models.suggest("other", 100, "translation", pair)
        assert name == want and ("Portuguese" in why) == (want != "e5-small")


def test_questions_with_passages_take_few_rows_an_update() -> None:
    got = {n: defaults(replace(FACTS, task="extract", rows=n))[0] for n in (300, 3000, 90_000)}
    assert [v["batch_size"] for v in got.values()] == [16, 16, 16]
    assert [v["epochs"] for v in got.values()] == [5.0, 3.0, 2.0]


def test_few_pairs_are_tuned_longer_and_faster_than_few_texts() -> None:
    few = replace(FACTS, rows=300)
    pairs, texts = (defaults(x)[0] for x in (replace(few, compares=True), few))
    assert pairs["epochs"] > 2 * texts["epochs"] and pairs["learning_rate"] == 2 * texts["learning_rate"]
    assert defaults(replace(FACTS, compares=True)) == defaults(FACTS), "many rows need no help"


def test_tagging_takes_more_epochs_and_a_faster_head() -> None:
    few, many = (defaults(replace(FACTS, task="tag", rows=n))[0] for n in (96, 9000))
    assert few["epochs"] > many["epochs"] > defaults(replace(FACTS, rows=9000))[0]["epochs"]
    assert few["head_learning_rate"] > few["learning_rate"]
    assert many["head_learning_rate"] > many["learning_rate"]
    assert few["learning_rate"] > defaults(replace(FACTS, rows=96))[0]["learning_rate"]


def test_a_forward_pass_holds_what_a_cache_holds_and_more_on_a_gpu() -> None:
    def tokens(**other: object) -> int:
        return int(defaults(replace(FACTS, **other))[0]["micro_batch_tokens"])  # type: ignore[arg-type]

    assert tokens() < tokens(gpu=True)
    assert tokens(gpu=True, task="generate", outputs=0) == tokens()  # the vocabulary's logits, not the layers, bound it
    assert tokens(task="generate", outputs=0) < tokens()  # as fast, and less is kept for the way back


def test_adapters_of_a_decoder_that_writes_move_fast_and_slower_in_wide_bases() -> None:
    writes = replace(FACTS, task="generate", outputs=0, kind="decoder", method="lora", rows=5000, embedding_parameters=0)
    rates = {p: defaults(replace(writes, parameters=p))[0]["learning_rate"] for p in (10**8, 4 * 10**8, 7 * 10**9)}
    assert rates[10**8] == 2e-3 and rates[4 * 10**8] == pytest.approx(1e-3) and 2e-4 < rates[7 * 10**9] < 3e-4
    assert defaults(replace(writes, method="full"))[0]["learning_rate"] < 2e-4
