"""The baselines for answers in passages: what they say, when they are silent, and that they take no look at the truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from weitiao import tasks
from weitiao.evaluate import baselines
from weitiao.evaluate.baselines._passages import sentences
from weitiao.example import Example
from weitiao.recipe import Recipe
from weitiao.tasks._answers import read_answers

ENGLISH = ("Rollo came from Norway. The duchy of Normandy was founded in 911 by treaty. "
           "About 3.5 million people live there today.")
CHINESE = "泡泡战士由韩国Nexon开发。该游戏于2006年6月21日发行，共有三种模式。玩家约有12万人。"


def example(question: str, context: str, *answers: str) -> Example:
    target = read_answers(list(answers), None, context, "answers")
    return Example(question, {"question": question, "context": context}, target, "x:1")


def ask(name: str, train: list[Example], test: list[Example]) -> tuple[list[str], baselines.Baseline]:
    task: Any = tasks.make("extract", {}, {"question": "q", "context": "c", "answer": "a"})
    task.fit(train)
    case = baselines.Case(task, train, [replace(e, target=None) for e in test], Recipe(), "cpu", False)
    made: baselines.Baseline = baselines.load(name).make(case)
    for e, spans in zip(test, made.outputs, strict=True):
        assert all(e.inputs["context"][s.start : s.end] == s.text for s in spans)
    return [p["answer"] for p in task.decode(made.outputs)], made


def test_sentences_end_where_they_end() -> None:
    for text in (ENGLISH, CHINESE):
        assert len(sentences(text)) == 3
    assert [ENGLISH[a:b] for a, b in sentences(ENGLISH)][2] == "About 3.5 million people live there today."
    assert sentences("no end") == [(0, 6)] and sentences(" a。\n\nb ") == [(1, 3), (5, 6)]


def test_the_most_similar_sentence() -> None:
    asked = [example("When was the duchy of Normandy founded?", ENGLISH, "911"),
             example("How many people live there today?", ENGLISH, "3.5 million")]
    said, made = ask("sentence", asked, asked)
    assert said == ["The duchy of Normandy was founded in 911 by treaty.", "About 3.5 million people live there today."]
    assert "words" in made.how
    zh = [example("该游戏于何时发行？", CHINESE, "2006年6月21日"), example("玩家有多少？", CHINESE, "12万人")]
    said, made = ask("sentence", zh, zh)
    assert said == ["该游戏于2006年6月21日发行，共有三种模式。", "玩家约有12万人。"] and "characters" in made.how


def test_a_piece_by_the_question_word() -> None:
    asked = [example("When was the duchy of Normandy founded?", ENGLISH, "911"),
             example("How many people live there today?", ENGLISH, "3.5 million"),
             example("Who came from Norway?", ENGLISH, "Rollo"),
             example("By what was the duchy of Normandy founded?", ENGLISH, "treaty")]
    said, _ = ask("typed", asked, asked)
    assert said[1:3] == ["3.5 million", "Rollo"] and said[3] == "treaty"
    zh = [example("该游戏于哪一年发行？", CHINESE, "2006年6月21日"), example("游戏由谁开发？", CHINESE, "韩国Nexon")]
    said, _ = ask("typed", zh, zh)
    assert said[0] == "2006年6月21日" and "Nexon" in said[1]


def test_blind_is_silent_where_most_questions_have_no_answer() -> None:
    some = [example("Who?", ENGLISH, "Rollo came from Norway.")]
    none = [example(f"Why {i}?", ENGLISH) for i in range(3)]
    said, made = ask("blind", some + none, some)
    assert said == [""] and "no answer" in made.how
    said, made = ask("blind", some, some + none)
    assert said == ["Rollo came from Norway."] * 4 and "first sentence" in made.how


@pytest.mark.parametrize("name", ["sentence", "typed"])
def test_they_are_silent_where_nothing_is_alike(name: str) -> None:
    near = [example("When was the duchy of Normandy founded?", ENGLISH, "The duchy of Normandy was founded in 911 by treaty."),
            example("How many people live there today?", ENGLISH, "3.5 million people live there today")]
    far = [example("Why do cats purr?", ENGLISH), example("What colour has snow?", ENGLISH)]
    said, _ = ask(name, near + far, near + far)
    assert said[0] and said[2:] == ["", ""]
