"""The simple taggers: the dictionary by hand, the linear ones on what they can and cannot learn."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from weitiao import tasks
from weitiao.evaluate import baselines
from weitiao.example import Example
from weitiao.recipe import Recipe


def example(i: int, text: str, *found: tuple[str, str]) -> Example:
    target = []
    for part, label in found:
        at = text.index(part)
        target.append({"start": at, "end": at + len(part), "label": label, "text": part})
    return Example(str(i), {"text": text}, target, f"f:{i}")


def answer(name: str, train: list[Example], test: list[Example], recipe: Recipe | None = None) -> tuple[Any, Any]:
    task = tasks.make("tag", {}, {"text": "text", "label": "entities"})
    task.fit(train)
    task.bind("encoder", _tokenizer(recipe)) if recipe else None
    bare = [Example(e.id, e.inputs, None, e.source) for e in test]
    case = baselines.Case(task, train, bare, recipe or Recipe.build({}), "cpu", bf16=False)
    return task, baselines.load(name).make(case)


def _tokenizer(recipe: Recipe) -> Any:
    from weitiao import models

    return models.tokenizer(models.find(recipe.model.name).folder)


def shown(outputs: Any) -> list[list[tuple[str, str]]]:
    return [[(row.text[a:b], name) for a, b, name, _ in row.entities] for row in outputs]


def test_dictionary_takes_the_longest_match_that_was_mostly_an_entity() -> None:
    train = [example(0, "go to New York City", ("New York City", "city")), example(1, "I like New York", ("New York", "state")),
             example(2, "may I", ), example(3, "in May", ("May", "date")), example(4, "you may go"),
             example(5, "北京大学在北京", ("北京大学", "校")), example(6, "去北京", ("北京", "地")), example(7, "on Mars", ("Mars", "star")),
             example(8, "on Mars", ("Mars", "planet")), example(9, "mars", ("mars", "planet"))]
    test = [example(0, "new york city or NEW YORK in may"), example(1, "他在北京大学和北京"), example(2, "Mars, nothing else")]
    _, made = answer("dictionary", train, test)
    # "may": 1 of 3 places; "北京": an entity in 1 of its 3 places (北京大学 is another one).
    assert shown(made.outputs) == [[("new york city", "city"), ("NEW YORK", "state")], [("北京大学", "校")], [("Mars", "planet")]]
    assert made.train_rows == 10 and made.outputs[2].entities[0][3] == 1.0


def sentences(n: int, seed: int) -> list[Example]:
    """An entity is what stands between "from" and "to"; the words themselves say nothing."""
    r = random.Random(seed)
    words = ["movie", "music", "food", "room", "price", "service"]
    out = []
    for i in range(n):
        filler, city = r.choice(words), r.choice(words)
        text = f"{filler} from {city} to here" if i % 4 else f"{filler} and no"
        target = [{"start": len(filler) + 6, "end": len(filler) + 6 + len(city), "label": "at", "text": city}] if i % 4 else []
        out.append(Example(str(i), {"text": text}, target, f"f:{i}"))
    return out


@pytest.mark.parametrize(("name", "least"), [("context", 0.95), ("frozen_words", 0.5)])
def test_linear_taggers_learn_from_what_stands_around(name: str, least: float, tiny_folder: Path) -> None:
    recipe = Recipe.build({"model": {"name": str(tiny_folder), "max_length": 64}})
    train, test = sentences(80, 1), sentences(40, 2)
    task, made = answer(name, train, test, recipe)
    assert len(made.outputs) == 40 and made.train_rows == 80
    got = task.quick(made.outputs, [e.target for e in test])["span_f1"]
    dictionary = task.quick(answer("dictionary", train, test)[1].outputs, [e.target for e in test])["span_f1"]
    assert got > least and got > dictionary
    again = answer(name, train, test, recipe)[1]
    assert again.outputs == made.outputs


@pytest.mark.parametrize("name", ["dictionary", "context", "frozen_words"])
def test_few_rows_and_texts_without_a_word_are_answered(name: str, tiny_folder: Path) -> None:
    recipe = Recipe.build({"model": {"name": str(tiny_folder), "max_length": 64}})
    train = [example(0, "good food", ("food", "what")), example(1, "\u200b\u200b")]
    made = answer(name, train, [example(0, "food"), example(1, "\ufffd"), example(2, "\u200b x")], recipe)[1]
    assert [row.text for row in made.outputs] == ["food", "\ufffd", "\u200b x"]
