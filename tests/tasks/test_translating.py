"""Whose table is a table of translations: languages as column names, scripts that differ, and what is somebody else's."""

from __future__ import annotations

import pytest

from weitiao import tasks
from weitiao.tasks import ColumnProfile, Guess, TableProfile, _translating

EN, DE, ZH = ("It rains all day.", "Come in!"), ("Es regnet den ganzen Tag.", "Herein!"), ("整天都在下雨。", "进来！")


def column(name: str, examples: tuple[str, ...], distinct: int = 990) -> ColumnProfile:
    return ColumnProfile(name, "text", 1.0, distinct, 30, False, examples)


def best(*columns: ColumnProfile, named: dict[str, str] | None = None) -> tuple[str, Guess] | None:
    profile = TableProfile(1000, columns)
    claims = [(name, g) for name in tasks.names() if (g := tasks.load(name).Task.guess(profile, named or {}))]
    return max(claims, key=lambda c: c[1].strength, default=None)


@pytest.mark.parametrize(("columns", "source", "target", "options"), [
    ([column("en", EN), column("zh", ZH)], "en", "zh", {"source": "en", "target": "zh"}),
    ([column("de", DE), column("en", EN)], "de", "en", {"source": "de", "target": "en"}),
    ([column("eng_Latn", EN), column("zho_Hans", ZH)], "eng_Latn", "zho_Hans", {"source": "eng_Latn", "target": "zho_Hans"}),
    ([column("id", EN), column("en", EN), column("zh", ZH)], "en", "zh", {"source": "en", "target": "zh"}),
    ([column("source", EN), column("target", ZH)], "source", "target", {}),
    ([column("Source", ZH), column("Target", EN)], "Source", "Target", {}),
    ([column("src", EN), column("tgt", DE)], "src", "tgt", {}),
    ([column("原文", EN), column("译文", ZH)], "原文", "译文", {}),
])
def test_tables_of_translations(columns: list[ColumnProfile], source: str, target: str, options: dict[str, str]) -> None:
    name, guess = best(*columns)  # type: ignore[misc]
    assert (name, guess.columns, guess.options) == ("translate", {"source": source, "target": target}, options)


@pytest.mark.parametrize(("columns", "task"), [
    ([column("source", EN), column("target", DE)], "generate"),  # one script: may be anything that is written
    ([column("prompt", EN), column("completion", ZH)], "generate"),
    ([column("question", ZH), column("answer", EN)], "generate"),
    ([column("article", EN), column("summary", ZH)], "summarise"),
    ([column("text_a", EN), column("text_b", ZH), column("label", ("yes", "no"), 2)], "classify"),
    ([column("sentence1", EN), column("sentence2", ZH), column("label", ("yes", "no"), 2)], "classify"),
    ([column("text", ZH), column("label", ("good", "bad"), 2)], "classify"),
    ([column("it", EN), column("is", EN), column("label", ("good", "bad"), 2)], "classify"),
])
def test_tables_of_others(columns: list[ColumnProfile], task: str) -> None:
    name, _ = best(*columns)  # type: ignore[misc]
    assert name == task


def test_named_columns_are_kept_and_other_tasks_roles_are_not_taken() -> None:
    columns = (column("left", EN), column("right", ZH))
    name, guess = best(*columns, named={"source": "right", "target": "left"})  # type: ignore[misc]
    assert name == "translate" and guess.columns == {"source": "right", "target": "left"}
    assert _translating.claim(TableProfile(10, columns), {"text": "left"}) is None
    more = _translating.claim(TableProfile(10, (column("en", EN), column("zh", ZH), column("de", DE))), {})
    assert more is not None and "de" in more.reason


def test_plain_pairs_are_taken_when_the_task_is_named() -> None:
    """`a<TAB>b` lines are read as text and label."""
    got = _translating.claim(TableProfile(10, (column("text", EN), column("label", DE))), {})
    assert got is not None and got.columns == {"source": "text", "target": "label"} and got.strength < 0.5


def test_what_a_decoder_is_asked() -> None:
    assert _translating.request("en", "zh-CN") == "请把下面的英文翻译成中文："
    assert _translating.request("", "zh") == "请翻译成中文："
    assert _translating.request("", "fr") == "Translate into French:" and _translating.request("", "") == "Translate:"
