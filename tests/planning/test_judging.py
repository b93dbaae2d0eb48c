"""Every task in the folder, and every kind of base that it takes, is judged without tuning or says why it is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weitiao import models, tasks
from weitiao.planning import candidates, judging
from weitiao.prepare import prepare
from weitiao.recipe import Recipe
from weitiao.run import Run

SAMPLES = [pytest.param((name, i, kind), id=f"{name}-{i}-{kind}")
           for name in tasks.names() for i, sample in enumerate(tasks.load(name).SAMPLES) for kind in sample.kinds]
WORDS = {"good": "good great love happy clean", "bad": "bad awful hate sad dirty", "slow": "slow two three"}


def scene(tmp_path: Path, rows: list[dict[str, Any]], task: dict[str, Any], columns: dict[str, str]) -> judging.Scene:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recipe = Recipe.build({"data": {"train": [str(path)], "columns": columns}, "task": task,
                           "split": {"test": 0.0, "near_duplicates": False},
                           "tune": {"device": "cpu"}})
    run = Run.create(tmp_path / "run", recipe.to_toml(), recipe.hash, {})
    prepare(recipe, run)
    return judging.scene(run, recipe, 200)[0]


def reviews(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Texts with a word that tells the label; the last label stands on one row alone."""
    r = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        label = "slow" if i == n - 1 else ("good", "bad")[i % 2]
        words = [*r.choice(["the", "movie", "was", "it", "really", "very", "i", "this"], 4), r.choice(WORDS[label].split())]
        rows.append({"text": " ".join(r.permutation(words)) + f" {i}", "label": label})
    return rows


def more(rows: Any, columns: Any) -> list[dict[str, Any]]:
    """The rows of a sample four times, a word added to each text, so that they can be folded."""
    texts = [columns[r] for r in ("text", "text_a", "text_b", "tokens") if r in columns]
    found = []
    for k, row in ((k, dict(row)) for k in range(4) for row in rows):
        for name in texts:
            row[name] = [*row[name], str(k)] if isinstance(row[name], (list, tuple)) else f"{row[name]} {k}"
        if any(isinstance(row[name], list) for name in texts):
            row[columns["label"]] = [*row[columns["label"]], "O"]
        found.append(row)
    return found


@pytest.mark.parametrize("case", SAMPLES)
def test_it_is_judged(case: Any, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    name, number, kind = case
    sample = tasks.load(name).SAMPLES[number]
    rows = more(sample.rows, sample.columns) if name in ("classify", "regress", "tag") else list(map(dict, sample.rows))
    seen = scene(tmp_path, rows, {"name": name, **sample.options}, dict(sample.columns))
    got = judging.judge(seen, str(tiny_folders[kind]))
    head = seen.task().head()
    if head.kind == "span":
        assert got.base is not None and got.score is None and not got.unfit
    elif head.kind in ("language", "corpus") and kind == "encoder":
        assert "not ranked" in got.unfit
    else:
        assert got.score is not None and got.score.n == len(seen.rows) == len(got.outputs), got.unfit
        assert (got.score.name == "bits_per_byte") == (head.kind in ("language", "corpus"))
        assert (got.logme is not None) == (head.kind in ("sequence", "tokens"))
    for rung in candidates.rungs(seen.task()):
        assert judging.rung(seen, rung).score is not None


def test_a_class_of_one_row_is_judged_and_two_systems_are_compared(tiny_folder: Path, tmp_path: Path) -> None:
    seen = scene(tmp_path, reviews(120), {"name": "classify", "multi_label": False}, {})
    base, rung = judging.judge(seen, str(tiny_folder)), judging.rung(seen, "tfidf")
    assert base.score and rung.score and rung.score.value > 0.9
    pair = judging.compare(seen, rung, base)
    assert pair.difference == pytest.approx(rung.score.value - base.score.value) and pair.n == 120
    assert sorted(seen.judged) == list(range(120))


def test_cross_validated_answers_never_saw_their_row(tiny_folder: Path, tmp_path: Path) -> None:
    rows = reviews(60)
    for i, row in enumerate(rows):
        row["text"] = f"the movie was {'abcdefghij'[i % 10]} {i}"  # nothing but the number tells the label
        row["label"] = "ab"[i % 2 ^ (i // 7) % 2]
    seen = scene(tmp_path, rows, {"name": "classify", "multi_label": False}, {})
    got = judging.rung(seen, "tfidf")
    assert got.score is not None and got.score.value < 0.8


def test_a_base_that_cannot_be_had_says_so(tmp_path: Path) -> None:
    seen = scene(tmp_path, reviews(40), {"name": "classify", "multi_label": False}, {})
    got = judging.judge(seen, "no/such-model")
    assert got.unfit and got.base is None and not got.rung


def test_a_sample_is_drawn_by_rows_and_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = reviews(300)
    assert len(scene(tmp_path, rows, {"name": "classify", "multi_label": False}, {}).rows) == 200
    monkeypatch.setattr(judging, "_BYTES", {"sequence": 2500})
    (tmp_path / "b").mkdir()
    some = scene(tmp_path / "b", rows, {"name": "classify", "multi_label": False}, {}).rows
    assert 60 <= len(some) <= 100 and sum(len(e.inputs["text"]) for e in some) <= 2500


def test_starters_that_know_the_language_and_whose_terms_need_no_asking() -> None:
    task = tasks.make("classify", {}, {"text": "text", "label": "label"})
    english = candidates.bases("en", "classify", task, ("mine", "minilm"))
    assert {"minilm", "e5-small"} <= set(english) and english[-1] == "mine" and len(set(english)) == len(english)
    assert "minilm" not in candidates.bases("zh", "classify", task, ())
    automatic = {c["name"] for c in models.catalogue() if c["automatic"]}
    assert set(candidates.bases("other", "classify", task, ())) <= automatic
    assert candidates.bases("en", "summarise", tasks.make("summarise", {}, {}), ()) == ("smollm2-135m",)


def test_a_hub_is_not_asked_where_the_client_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*args: Any, **how: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("weitiao.planning.candidates.request.urlopen", called)
    assert candidates.reachable() is False
    assert candidates.usual("en", tasks.make("classify", {}, {}), "huggingface") == ()


@pytest.mark.parametrize(("error", "reached"), [(OSError("no route"), False), (TimeoutError(), False), (None, True)])
def test_a_hub_answers_or_does_not(error: Exception | None, reached: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    from huggingface_hub import constants

    def opened(asked: Any, timeout: float) -> Any:
        assert timeout < 10 and asked.get_method() == "HEAD"
        if error:
            raise error
        return nullcontext()

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("weitiao.planning.candidates.request.urlopen", opened)
    assert candidates.reachable() is reached


def test_a_score_that_is_no_number_is_none(tmp_path: Path) -> None:
    rows = [{"text": "the movie", "stars": float(i % 3)} for i in range(30)]
    for i, row in enumerate(rows):
        row["text"] = "abcdefghijklmnopqrstuvwxyzABCD"[i]  # nothing in common: every answer is the mean of its fold
    seen = scene(tmp_path, rows, {"name": "regress"}, {"text": "text", "label": "stars"})
    constant = judging.Judged("x", score=judging.rung(seen, "tfidf").score)
    assert constant.score is not None
    undefined = replace(constant, score=replace(constant.score, value=float("nan")))
    assert judging._defined(constant) is constant and judging._defined(undefined).score is None
    assert "not defined" in judging._defined(undefined).unfit


@pytest.mark.parametrize("hopeless", [True, False])
def test_a_base_that_is_clearly_behind_is_asked_for_a_fifth_of_the_rows_only(
        hopeless: bool, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base is the same one; what it says of a text is as good as the other's, or is noise."""
    monkeypatch.setattr(judging, "_FIRST", 50)
    seen = scene(tmp_path, reviews(251)[:-1], {"name": "classify", "multi_label": False}, {})
    encode, asked = judging.frozen.Encoder.__call__, []

    def watched(self: Any, rows: Any) -> Any:
        asked.append(len(rows))
        found = encode(self, rows)
        return np.random.default_rng(1).normal(size=found.shape) if hopeless and len(asked) > 1 else found

    monkeypatch.setattr(judging.frozen.Encoder, "__call__", watched)
    first = judging.judge(seen, str(tiny_folder))
    assert first.score is not None and first.score.value > 0.9 and asked == [len(seen.rows)]
    got = judging.judge(seen, str(tiny_folder), ahead=first)
    if hopeless:
        assert got.score is None and got.behind == first.name and "--model" in got.unfit and asked[1:] == [50]
        assert got.beside is not None and got.beside.high is not None and got.beside.high < -judging._FAR
    else:
        assert got.behind == "" and sum(asked[1:]) == len(seen.rows) == got.score.n  # type: ignore[union-attr]
        assert np.allclose(got.logme or 0, first.logme or 1)
    assert judging.judge(seen, str(tiny_folder)).behind == ""
