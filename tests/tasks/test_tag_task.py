"""Tagging: rows in every form become one text with places, nothing is lost on the way, and long rows count in full."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from weitiao import tasks
from weitiao.core.errors import DataError, RowError
from weitiao.example import Example, Row
from weitiao.prepare.profiling import profile
from weitiao.tasks import Guess
from weitiao.tasks.tag import Options, Tagged, Task

WORDS = {"text": "tokens", "label": "tags"}
PLAIN = {"text": "text", "label": "entities"}


def make(columns: dict[str, str] = WORDS, **options: Any) -> Task:
    return Task(Options(**options), columns)


def read(task: Task, **values: Any) -> tuple[str, Any]:
    got = task.read(Row(values, "f", 1))
    return got.inputs["text"], got.target and [(x["start"], x["end"], x["label"], x["text"]) for x in got.target]


# -- reading -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("values", "options"), [
    ({"tokens": ["李", "开", "复", "来"], "tags": ["B-PER", "I-PER", "I-PER", "O"]}, {}),
    ({"tokens": '["李", "开", "复", "来"]', "tags": "['B-PER', 'M-PER', 'E-PER', 'O']"}, {}),
    ({"tokens": ["李开复", "来"], "tags": ["S-PER", "O"]}, {}),
    ({"tokens": ["李", "开", "复", "来"], "tags": [1, 2, 2, 0]}, {"tag_names": ["O", "B-PER", "I-PER"]}),
    ({"tokens": "李开复来", "tags": ["B-PER", "I-PER", "I-PER", "O"]}, {}),
    ({"tokens": "李开复 来", "tags": "B-PER O"}, {}),
    ({"text": "李开复来", "tags": "B-PER I-PER I-PER O"}, {}),
    ({"tokens": "李开复来", "tags": [[0, 3, "PER"]]}, {}),
    ({"tokens": "李开复来", "tags": '[{"start": 0, "end": 3, "label": "PER"}]'}, {}),
    ({"tokens": ["李开复来"], "tags": ["O"]}, None),
])
def test_one_row_in_many_forms(values: dict[str, Any], options: dict[str, Any] | None) -> None:
    text, found = read(make(**(options or {})), **values)
    assert text.replace(" ", "") == "李开复来"
    assert found == ([] if options is None else [(0, 3, "PER", "李开复")])


def test_places_are_those_in_the_joined_text() -> None:
    text, found = read(make(), tokens=["He", "'s", "in", "New", "York", ",", "isn't", "he", "?"],
                       tags=["O", "O", "O", "B-LOC", "I-LOC", "O", "O", "B-PER", "O"])
    assert text == "He's in New York, isn't he?"
    assert found == [(8, 16, "LOC", "New York"), (24, 26, "PER", "he")]


@pytest.mark.parametrize(("values", "code"), [
    ({"tokens": ["a", "b"], "tags": ["O"]}, "row.tags_differ"), ({"tokens": ["a"], "tags": []}, "row.tags_differ"),
    ({"tokens": ["a"], "tags": [3]}, "row.bad_tag"), ({"tokens": ["a"], "tags": None}, "row.no_label"),
    ({"tokens": ["a"], "tags": ""}, "row.no_label"), ({"tokens": ["a", ""], "tags": ["O", "O"]}, "row.bad_token"),
    ({"tokens": [" ", "\t"], "tags": ["O", "O"]}, "row.empty"), ({"tokens": [], "tags": []}, "row.empty"),
    ({"tokens": None, "tags": ["O"]}, "row.empty"), ({"tags": ["O"]}, "row.no_text"),
    ({"tokens": "a b c", "tags": "O O"}, "row.tags_differ"), ({"tokens": "ab", "tags": 3}, "row.bad_label"),
    ({"tokens": "ab", "tags": "{'a': "}, "row.bad_label"), ({"tokens": ["\ud800"], "tags": ["O"]}, "row.not_unicode"),
])
def test_rows_that_cannot_be_meant_say_why(values: dict[str, Any], code: str) -> None:
    with pytest.raises(RowError) as e:
        make().read(Row(values, "f", 1))
    assert e.value.code == code


def test_what_was_mended_is_told() -> None:
    task = make()
    examples = [task.read(Row({"tokens": list("李开复iPhone4来"), "tags": tags.split()}, "f", i)) for i, tags in enumerate((
        "B-P I-P I-P B-T I-T I-T I-T I-T I-T I-T O", "O I-P I-P B-T I-T I-T O O O O O", "B-P I-P I-P O O O O O O O O"))]
    task.fit(examples)
    assert task.state()["read"] == {"scheme": "BIO", "mended": 1, "inside_words": 1}  # "iPh" within "iPhone"
    again = make()
    again.restore(task.state())
    assert again.state() == task.state()
    with pytest.raises(DataError, match=r"data\.no_labels"):
        make().fit([Example("1", {"text": "a"}, [], "f:1")])


# -- guessing ------------------------------------------------------------------------------------------------------

def best(*rows: dict[str, Any], **named: str) -> tuple[str, Guess]:
    found = profile(Row(r, "f", i + 1) for i, r in enumerate(rows))
    claims = [(name, g) for name in tasks.names() if (g := tasks.load(name).Task.guess(found, named))]
    return max(claims, key=lambda c: c[1].strength)


SPAN = [{"start": 0, "end": 2, "label": "x"}]
LAYOUTS: list[tuple[list[dict[str, Any]], dict[str, str]]] = [
    ([{"tokens": ["a", "b"], "tags": ["O", "B-x"]}] * 3, WORDS),
    ([{"id": "1", "tokens": ["a"], "pos_tags": [3], "chunk_tags": [1], "ner_tags": [0]}] * 3,
     {"text": "tokens", "label": "ner_tags"}),
    ([{"words": ["a", "b"], "ner": ["O", "O"]}] * 3, {"text": "words", "label": "ner"}),
    ([{"text": "a b", "tokens": ["a", "b"], "tags": ["O", "B-x"]}] * 3, WORDS),
    ([{"tokens": "a b", "tags": "O B-x"}, {"tokens": "c", "tags": "O"}], WORDS),
    ([{"text": "good food", "entities": SPAN}, {"text": "bad food", "entities": []}], PLAIN),
    ([{"text": "good food", "spans": [[0, 2, "x"]]}, {"text": "bad", "spans": []}], {"text": "text", "label": "spans"}),
    ([{"id": 1, "text": "good food", "label": [[0, 2, "x"]]}, {"id": 2, "text": "bad", "label": []}],
     {"text": "text", "label": "label"}),
    ([{"text": "8 pm", "slots": {"t": {"text": "8 pm", "span": [0, 4]}}}, {"text": "no", "slots": {}}],
     {"text": "text", "label": "slots"}),
    ([{"text": "台湾来", "label": {"地": {"台湾": [[0, 1]]}}}, {"text": "好吃的", "label": {}}], {"text": "text", "label": "label"}),
    ([{"句子": "台湾来", "实体": [[0, 2, "地"]]}, {"句子": "好吃的", "实体": []}], {"text": "句子", "label": "实体"}),
    ([{"text": "a b", "labels": ["O", "B-x"]}, {"text": "c d", "labels": ["O", "O"]}], {"text": "text", "label": "labels"}),
]


@pytest.mark.parametrize(("rows", "columns"), LAYOUTS)
def test_tables_are_recognised_without_a_flag(rows: list[dict[str, Any]], columns: dict[str, str]) -> None:
    name, guess = best(*rows)
    assert (name, dict(guess.columns)) == ("tag", columns)


def test_labels_of_texts_are_not_taken_for_tags() -> None:
    assert best({"text": "good food", "labels": ["a", "b"]}, {"text": "bad", "labels": []})[0] == "classify"
    assert Task.guess(profile([Row({"tokens": ["good"], "label": "yes"}, "f", 1)]), {}) is None
    assert best({"text": "good food", "tags": "a;b"}, {"text": "bad", "tags": "a"})[0] == "classify"
    both = [{"text": "8 pm", "labels": ["ask"], "slots": {"t": {"text": "8 pm", "span": [0, 4]}}}] * 3
    assert best(*both)[0] == "classify"
    assert best(*both, label="slots")[0] == "tag"


# -- numbers -------------------------------------------------------------------------------------------------------

@pytest.fixture
def learnt(tiny_tokenizer: Any) -> tuple[Task, Any]:
    import copy

    task, tokenizer = make(PLAIN), copy.deepcopy(tiny_tokenizer)
    task.fit([Example("1", {"text": "x y"}, [_entity(0, 1, "A", "x"), _entity(2, 3, "B", "y")], "f:1")])
    task.bind("encoder", tokenizer)
    return task, tokenizer


def _entity(start: int, end: int, label: str, text: str) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label, "text": text}


def test_only_the_piece_that_speaks_for_a_word_has_a_target(learnt: tuple[Task, Any]) -> None:
    task, tokenizer = learnt
    target = [_entity(5, 12, "B", "x\u200b \ufffdgoz"), _entity(13, 14, "C", "好")]
    row = task.encode([Example("1", {"text": "this x\u200b \ufffdgoz 好"}, target, "f:1")], tokenizer, 64)[0]
    pieces = tokenizer.convert_ids_to_tokens(row.windows[0])
    spoken = [pieces[c] for _, _, c in row.notes[2]]
    assert spoken == ["this", "x", "g", "好"]  # U+FFFD has no piece, "goz" more than one
    assert row.target == (0, 3, 4, -100)  # O, B-B, I-B, and a label that no training row has
    assert task.tags == ("O", "B-A", "I-A", "B-B", "I-B")


@pytest.mark.parametrize("side", ["right", "left"])
def test_loss_is_the_textbooks_and_padding_does_not_enter(learnt: tuple[Task, Any], side: str) -> None:
    task, tokenizer = learnt
    texts = ["x", "love the x y", "very good music y and x"]
    examples = [Example(str(i), {"text": x}, [_entity(len(x) - 1, len(x), "A", x[-1])], f"f:{i}")
                for i, x in enumerate(texts)]
    rows = task.encode(examples, tokenizer, 64)
    batch = task.collate(rows, tokenizer.pad_token_id, side)
    torch.manual_seed(1)
    table = torch.randn(len(tokenizer), 5)
    logits = table[batch["input_ids"]].requires_grad_()
    want = 0.0
    for row in rows:
        for tag, (_, window, column) in zip(row.target, row.notes[2], strict=True):
            want -= float(F.log_softmax(table[row.windows[window][column]].double(), 0)[tag])
    loss = task.loss_sum(logits, batch)
    assert float(loss.detach()) == pytest.approx(want, rel=1e-6)
    assert task.count(batch) == sum(len(x.split()) for x in texts)
    loss.backward()
    assert logits.grad is not None
    touched = (logits.grad.abs().sum(-1) > 0).sum()
    assert int(touched) == task.count(batch)


def test_words_behind_the_cut_are_missed_and_with_windows_found(learnt: tuple[Task, Any]) -> None:
    task, tokenizer = learnt
    text = "x " * 30 + "y"
    target = [_entity(2 * i, 2 * i + 1, "A", "x") for i in range(30)] + [_entity(60, 61, "B", "y")]
    example = Example("1", {"text": text}, target, "f:1")
    tag = torch.full((len(tokenizer), 5), -9.0)
    tag[:, 0] = 0
    tag[tokenizer.convert_tokens_to_ids("x"), 1] = tag[tokenizer.convert_tokens_to_ids("y"), 3] = 9
    found = {}
    for windows in (False, True):
        row = task.encode([example], tokenizer, 16, windows=windows)[0]
        batch = task.collate([row], tokenizer.pad_token_id, "right")
        found[windows] = task.rows(tag[batch["input_ids"]], batch)
    assert row.tokens_lost == 0 and len(row.windows) > 2
    cut, whole = (task.quick(found[w], [target]) for w in (False, True))
    assert whole == {"span_f1": 1.0, "token_accuracy": 1.0}
    # 14 of 31 words were read, all of them right: recall 14/31, precision 1.
    assert cut["span_f1"] == pytest.approx(2 * 14 / (14 + 31)) and cut["token_accuracy"] == pytest.approx(14 / 31)
    assert [x["start"] for x in task.decode(found[True])[0]["entities"]] == [x["start"] for x in target]


def test_a_word_without_a_piece_goes_with_what_surrounds_it(learnt: tuple[Task, Any]) -> None:
    task, _ = learnt
    words = ((0, 1), (1, 2), (2, 3), (3, 4))
    logs = np.log(np.array([[0.1, 0.6, 0.1, 0.1, 0.1], [0.1, 0.1, 0.6, 0.1, 0.1], [0.6, 0.1, 0.1, 0.1, 0.1]]))
    notes = ("x\ufffdyz", words, ((0, 0, 1), (2, 0, 2), (3, 0, 3)))
    assert task.answers([logs], [notes])[0].entities[0][:3] == (0, 3, "A")
    assert task.answers([logs[:0]], [("\ufffd", ((0, 1),), ())]) == [Tagged("\ufffd", ((0, 1),), ())]


def test_scores_count_whole_spans_and_labels_never_taught(learnt: tuple[Task, Any]) -> None:
    task, _ = learnt
    said = [Tagged("x y", ((0, 1), (2, 3)), ((0, 1, "A", 0.9),)), Tagged("x", ((0, 1),), ())]
    truth = [[_entity(0, 1, "A", "x"), _entity(2, 3, "NEW", "y")], []]
    got = {s.name: s for s in task.score(said, truth, resamples=20)}
    assert got["span_recall"].value == 0.5 and got["span_precision"].value == 1.0
    assert got["recall[NEW]"].value == 0 and got["recall[NEW]"].n == 1
    assert got["token_accuracy"].value == pytest.approx(2 / 3)
    assert task.correct(said, truth).tolist() == [pytest.approx(2 / 3), 1.0]
    task.check_target(truth[0])
