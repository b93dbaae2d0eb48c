"""Answers in passages: read in every form, put where they stand, encoded in windows, decoded from logits."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao import models, tasks
from weitiao.core.errors import DataError, ModelError, RecipeError, RowError
from weitiao.example import Example, Row
from weitiao.models.build import build
from weitiao.tasks import ColumnProfile, TableProfile
from weitiao.tasks._answers import read_answers
from weitiao.tasks._spans import Span

PASSAGE = "In Normandy, a region in France, people of France speak French."
COLUMNS = {"question": "question", "context": "context", "answer": "answers"}
FRANCE = [i for i in range(len(PASSAGE)) if PASSAGE.startswith("France", i)]


def make(options: dict[str, Any] | None = None, columns: dict[str, str] = COLUMNS) -> Any:
    return tasks.make("extract", options or {}, columns)


def example(question: str, context: str, *answers: str, places: list[int] | None = None) -> Example:
    target = read_answers({"text": list(answers), "answer_start": places or []}, None, context, "answers")
    return Example("x:1", {"question": question, "context": context}, target, "x:1")


# -- reading -------------------------------------------------------------------------------------------------------

FORMS = [
    ({"text": ["France"], "answer_start": [FRANCE[1]]}, None),
    ([{"text": "France", "answer_start": FRANCE[1]}], None),
    ([{"id": "1", "text": "France", "answer_start": str(FRANCE[1])}], None),
    (json.dumps({"text": ["France"], "answer_start": [FRANCE[1]]}), None),
    (str([{"text": "France", "answer_start": FRANCE[1]}]), None),
    ("France", FRANCE[1]), ("France", f"{FRANCE[1]}.0"), (" France ", FRANCE[1] - 1), ("\tFrance", FRANCE[1] - 1),
]


@pytest.mark.parametrize(("value", "start"), FORMS)
def test_one_answer_in_every_form(value: Any, start: Any) -> None:
    assert read_answers(value, start, PASSAGE, "a") == {"text": ["France"], "answer_start": [FRANCE[1]], "moved": 0}


@pytest.mark.parametrize(("start", "place", "moved"), [
    (FRANCE[0] + 3, FRANCE[0], 1), (FRANCE[1] - 1, FRANCE[1], 1), (10_000, FRANCE[1], 1), (-1, FRANCE[0], 1),
    ((FRANCE[0] + FRANCE[1]) / 2, FRANCE[0], 1), (None, FRANCE[0], 0)])
def test_an_answer_goes_where_it_stands_nearest(start: Any, place: int, moved: int) -> None:
    assert (FRANCE[0] + FRANCE[1]) % 2 == 0
    assert read_answers("France", start, PASSAGE, "a") == {"text": ["France"], "answer_start": [place], "moved": moved}


def test_answers_beside_a_located_one_are_kept_without_a_place() -> None:
    got = read_answers({"text": ["French.", "French!"], "answer_start": [56, -1]}, None, PASSAGE, "a")
    assert got == {"text": ["French.", "French!"], "answer_start": [56, -1], "moved": 0}


@pytest.mark.parametrize("value", [[], {"text": [], "answer_start": []}, "[]", '{"text": [], "answer_start": []}'])
def test_an_empty_list_is_no_answer(value: Any) -> None:
    assert read_answers(value, None, PASSAGE, "a") == {"text": [], "answer_start": [], "moved": 0}


@pytest.mark.parametrize(("value", "start", "code"), [
    ("Spain", 3, "row.answer_not_in_passage"), ("france", None, "row.answer_not_in_passage"), ("", 3, "row.no_answer"),
    (None, 3, "row.no_answer"), ([""], None, "row.no_answer"), (float("nan"), 3, "row.no_answer"),
    ({"answer": "France"}, None, "row.bad_answer"), ([["France"]], None, "row.bad_answer"), (True, None, "row.bad_answer"),
    ("France", "third", "row.bad_offset"), ("France", 3.5, "row.bad_offset"), ("France", [3], "row.bad_offset"),
    ({"text": ["France", "Normandy"], "answer_start": [1]}, None, "row.bad_offset"),
    ([{"answer_start": 3}], None, "row.no_answer"),
])
def test_what_is_no_answer_is_refused(value: Any, start: Any, code: str) -> None:
    with pytest.raises(RowError) as e:
        read_answers(value, start, PASSAGE, "a")
    assert e.value.code == code and e.value.field == "a" and e.value.reason


@pytest.mark.parametrize(("said", "answers", "outcome"), [
    (True, [], []), ("True", ["France"], []), (False, ["France"], ["France"]), ("0", ["France"], ["France"]),
    (None, ["France"], ["France"]), (False, [], "row.no_answer"), ("perhaps", [], "row.bad_answer")])
def test_is_impossible_of_squad(said: Any, answers: list[str], outcome: Any) -> None:
    row = Row({"question": "q", "context": PASSAGE, "answers": answers, "is_impossible": said}, "a.json", 3)
    if isinstance(outcome, str):
        with pytest.raises(RowError) as e:
            make().read(row)
        assert e.value.code == outcome
    else:
        assert make().read(row).target["text"] == outcome


def test_rows_with_the_offset_in_a_column_of_its_own() -> None:
    task = make(columns={"question": "q", "context": "c", "answer": "a", "start": "s"})
    row = {"q": "Where?", "c": PASSAGE, "a": "France", "s": FRANCE[1]}
    assert task.read(Row(row, "a.csv", 2)).target["answer_start"] == [FRANCE[1]]
    assert task.read(Row({k: v for k, v in row.items() if k in "qc"}, "a.csv", 2)).target is None


def test_without_any_answer_there_is_nothing_to_learn() -> None:
    with pytest.raises(DataError, match=r"data\.no_answers"):
        make().fit([example("q", PASSAGE)])


def test_what_the_screen_counts() -> None:
    targets = [read_answers({"text": ["France", "Paris"], "answer_start": [3, -1]}, None, PASSAGE, "a"),
               read_answers([], None, PASSAGE, "a")]
    assert make().tally(targets) == {
        "questions with an answer": 1, "without one": 1, "answers moved to where they stand": 1,
        "further answers that do not stand in the passage": 1}


# -- guessing ------------------------------------------------------------------------------------------------------

def column(name: str, kind: Any = "text", chars: float = 400, distinct: int = 900, first: str = "x") -> ColumnProfile:
    return ColumnProfile(name, kind, 1.0, distinct, chars, kind == "number", (first,))


def claim(*columns: ColumnProfile, named: dict[str, str] | None = None) -> dict[str, Any]:
    profile = TableProfile(1000, columns)
    claims = {n: g for n in tasks.names() if (g := tasks.load(n).Task.guess(profile, named or {}))}
    best = max(claims, key=lambda n: claims[n].strength)
    return {"task": best, **claims[best].columns}


PLAIN = [column("context"), column("question", chars=50), column("answer", chars=12)]


@pytest.mark.parametrize(("columns", "wanted"), [
    (PLAIN, {"question": "question", "context": "context", "answer": "answer"}),
    ([column("id"), column("title"), column("context"), column("question", chars=50), column("answers", "object"),
      column("is_impossible", distinct=2, chars=5)], {"question": "question", "context": "context", "answer": "answers"}),
    ([column("passage"), column("query", chars=50), column("answers", "list", first='[{"text": "a"')],
     {"question": "query", "context": "passage", "answer": "answers"}),
    ([column("段落"), column("问题", chars=15), column("答案", chars=6), column("答案位置", "number")],
     {"question": "问题", "context": "段落", "answer": "答案", "start": "答案位置"}),
    ([column("文章"), column("提问", chars=15), column("标准答案", chars=6)],
     {"question": "提问", "context": "文章", "answer": "标准答案"}),
    ([column("question_id"), *PLAIN, column("answer_start", "number")],
     {"question": "question", "context": "context", "answer": "answer", "start": "answer_start"}),
    ([column("document"), column("Question Text", chars=50), column("answer_text", chars=9), column("category", distinct=5)],
     {"question": "Question Text", "context": "document", "answer": "answer_text"}),
])
def test_tables_of_questions_are_recognised(columns: list[ColumnProfile], wanted: dict[str, str]) -> None:
    assert claim(*columns) == {"task": "extract", **wanted}


@pytest.mark.parametrize("columns", [
    [column("question", chars=50), column("passage"), column("answer", distinct=2, chars=4)],
    [column("question", chars=50), column("context"), column("label", distinct=2, chars=4)],
    [column("question1", chars=50), column("question2", chars=50), column("label", "number", 1, 2)],
    [column("premise"), column("hypothesis", chars=60), column("label", distinct=3, chars=9)],
    [column("question", chars=50), column("answer", chars=60), column("label", distinct=2, chars=4)],
])
def test_pairs_with_a_label_are_left_to_others(columns: list[ColumnProfile]) -> None:
    profile = TableProfile(1000, tuple(columns))
    got = tasks.load("extract").Task.guess(profile, {})
    assert got is None or got.strength < 0.5


def test_named_columns_are_kept() -> None:
    assert claim(column("a"), column("b"), column("c"), named={"question": "a", "context": "b", "answer": "c"}) == {
        "task": "extract", "question": "a", "context": "b", "answer": "c"}
    assert claim(*PLAIN, column("body"), named={"context": "body"})["context"] == "body"
    assert tasks.load("extract").Task.guess(TableProfile(9, tuple(PLAIN)), {"text": "context"}) is None


# -- encoding ------------------------------------------------------------------------------------------------------

WORDS = ("the movie was very good and the food was bad , really slow service . i love travel and music . "
         "one two three yes no happy sad dirty clean fast price room film awful hate like this that it")


def answered(task: Any, tokenizer: Any, rows: list[Example], max_length: int) -> list[tasks.Encoded]:
    task.fit(rows)
    found: list[tasks.Encoded] = task.encode(rows, tokenizer, max_length)
    return found


def test_windows_are_those_of_transformers(tiny_tokenizer: Any) -> None:
    task = make({"stride": 4})
    (row,) = answered(task, tiny_tokenizer, [example("was it good ?", WORDS, "good")], 24)
    size = len(row.windows[0])
    assert size <= 24 and size - len(row.windows[-1]) <= len(row.windows)
    got = tiny_tokenizer("was it good ?", WORDS, truncation="only_second", max_length=size, stride=4,
                         return_overflowing_tokens=True)
    assert [list(w) for w in row.windows] == got["input_ids"] and len(row.windows) > 2
    assert [list(w) for w in row.types] == got["token_type_ids"] and row.tokens_lost == 0


@pytest.mark.parametrize("answer", ["the movie", "good", "bad , really", "it", " ".join(WORDS.split()[:20]), "tra"])
def test_targets_lead_back_to_the_answer(answer: str, tiny_tokenizer: Any) -> None:
    task = make({"stride": 6})
    (row,) = answered(task, tiny_tokenizer, [example("was it good ?", WORDS, answer)], 24)
    start = WORDS.find(answer)
    inside = 0
    for (a, b), place in zip(row.target, row.notes[1], strict=True):
        if (a, b) == (place.null, place.null):
            assert start < place.starts[0] or start + len(answer) > place.ends[-1]
            continue
        inside += 1
        covered = WORDS[place.starts[a - place.first] : place.ends[b - place.first]]
        assert answer in covered and len(covered) <= len(answer) + 4
    assert bool(inside) == (answer.count(" ") < 16)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 400), st.integers(8, 60), st.integers(0, 15))
def test_pieces_cover_everything_and_share_what_they_should(tokens: int, space: int, shared: int) -> None:
    from weitiao.tasks._spans import _slices

    shared = min(shared, space // 2)
    found = _slices(tokens, space, shared)
    assert found[0].start == 0 and found[-1].stop == tokens
    assert all(0 < s.stop - s.start <= space for s in found)
    assert all(a.stop - b.start == shared for a, b in pairwise(found) if a.stop < tokens)
    assert len(found) == max(1, -(-(tokens - shared) // (space - shared)))


def test_the_answer_of_most_annotators_is_learnt(tiny_tokenizer: Any) -> None:
    task = make()
    rows = [example("q", "the food was bad and slow", "the", "bad", "bad")]
    (row,) = answered(task, tiny_tokenizer, rows, 40)
    (pair,), (place,) = row.target, row.notes[1]
    assert "the food was bad and slow"[place.starts[pair[0] - place.first] : place.ends[pair[1] - place.first]] == "bad"


def test_a_question_without_answer_points_at_the_null_token(tiny_tokenizer: Any) -> None:
    task = make({"stride": 4})
    rows = [example("q", WORDS), example("q", WORDS, "good")]
    assert set(answered(task, tiny_tokenizer, rows, 24)[0].target) == {(0, 0)}


def test_a_long_question_is_cut_and_counted(tiny_tokenizer: Any) -> None:
    task = make({"stride": 4})
    short, long = answered(task, tiny_tokenizer, [example("good ?", WORDS, "good"), example(WORDS, WORDS, "good")], 27)
    assert short.tokens_lost == 0 and long.tokens_lost == len(tiny_tokenizer(WORDS, add_special_tokens=False)["input_ids"]) - 12
    assert all(len(w) <= 27 for w in long.windows)
    alone = task.encode([example("good ?", WORDS, "good")], tiny_tokenizer, 27)
    assert alone == [short]  # neighbours change nothing


def test_too_little_room_and_models_that_cannot(tiny_tokenizer: Any) -> None:
    with pytest.raises(RecipeError, match="max_length"):
        make().encode([example("q", PASSAGE, "France")], tiny_tokenizer, 10)
    for kind in ("decoder", "encoder-decoder"):
        with pytest.raises(ModelError, match=r"model\.no_spans"):
            make().bind(kind, tiny_tokenizer)


# -- loss and decoding ---------------------------------------------------------------------------------------------

@pytest.fixture
def tuned(tiny_folder: Path, tiny_tokenizer: Any) -> tuple[Any, list[Example], list[tasks.Encoded], Any]:
    task = make({"stride": 4, "n_best": 7})
    rows = [example("was it good ?", WORDS, "good"), example("and the food ?", WORDS[:60], "bad"), example("why ?", WORDS[:99])]
    encoded = answered(task, tiny_tokenizer, rows, 24)
    model = build(models.find(str(tiny_folder)), task.head(), pooling="auto", dropout=None, seed=3)
    with torch.no_grad():
        for parameter in model.head_parameters():
            parameter.mul_(30)  # answers that differ clearly
    return task, rows, encoded, model


def inputs(batch: tasks.Batch) -> dict[str, torch.Tensor]:
    return {k: batch[k] for k in ("input_ids", "attention_mask", "token_type_ids")}


def test_padding_and_its_side_change_neither_loss_nor_answers(tuned: Any) -> None:
    task, _, encoded, model = tuned
    found = {}
    for side in ("right", "left"):
        batch = task.collate(encoded, 0, side)
        positions = (batch["attention_mask"].cumsum(1) - 1).clamp_min(0)  # the left side asks for them by name
        with torch.no_grad():
            logits = model(**inputs(batch), position_ids=positions)
        found[side] = float(task.loss_sum(logits, batch)), task.rows(logits, batch)
    assert found["left"][0] == pytest.approx(found["right"][0], rel=1e-5)
    for one, other in zip(found["left"][1], found["right"][1], strict=True):
        assert [s.text for s in one] == [s.text for s in other]
        assert [s.score for s in one] == pytest.approx([s.score for s in other], abs=1e-4)


def test_the_best_spans_are_the_best_of_all(tuned: Any) -> None:
    """By trying every pair of tokens of every window."""
    task, rows, encoded, model = tuned
    batch = task.collate(encoded, 0, "right")
    with torch.no_grad():
        logits = model(**inputs(batch))
    task.longest = 14
    got = task.rows(logits, batch)
    window = 0
    for row, spans, e in zip(encoded, got, rows, strict=True):
        best: dict[tuple[int, int], float] = {}
        for place in row.notes[1]:
            one, window = logits[window].double().numpy(), window + 1
            for i, j in product(range(len(place.starts)), repeat=2):
                a, b = place.starts[i], place.ends[j]
                if i <= j and (b - a <= 14 or i == j):
                    score = one[place.first + i, 0] + one[place.first + j, 1] - one[place.null].sum()
                    best[a, b] = max(best.get((a, b), -1e9), score)
        wanted = sorted(best.items(), key=lambda x: -x[1])[:7]
        assert [(s.start, s.end) for s in spans] == [place for place, _ in wanted]
        assert [s.score for s in spans] == pytest.approx([score for _, score in wanted], abs=1e-4)
        assert all(s.text == e.inputs["context"][s.start : s.end] for s in spans)


def test_with_one_window_the_loss_is_that_of_transformers(tiny_folder: Path, tiny_tokenizer: Any) -> None:
    """Where every other token is kept out of the softmax by its logit."""
    task = make()
    rows = [example("q", "the food was bad", "bad"), example("why ?", "a movie and music", "music")]
    encoded = answered(task, tiny_tokenizer, rows, 40)
    batch = task.collate(encoded, 0, "right")
    logits = torch.randn(*batch["input_ids"].shape, 2, generator=torch.Generator().manual_seed(1))
    shut = logits.masked_fill(~batch["allowed"][:, :, None], -1e9)
    from torch.nn.functional import cross_entropy

    start, end = (cross_entropy(shut[:, :, k].double(), batch["targets"][:, k]) for k in (0, 1))
    assert float(task.loss_sum(logits, batch)) / task.count(batch) == pytest.approx(float((start + end) / 2), rel=1e-6)


def test_spaces_that_a_tokenizer_counts_to_a_word_are_no_part_of_the_answer() -> None:
    from weitiao.tasks._spans import _trimmed

    assert _trimmed("the food", 3, 8, 1.0) == Span("food", 4, 8, 1.0)


# -- answers -------------------------------------------------------------------------------------------------------

def spans(*scores: float) -> tuple[Span, ...]:
    return tuple(Span(f"answer{i}", i, i + 7, s) for i, s in enumerate(scores))


def test_no_answer_by_the_threshold_of_the_validation_rows() -> None:
    task = make()
    task.fit([example("q", PASSAGE, "France"), example("q", PASSAGE)])
    right, none = {"text": ["answer0"]}, {"text": []}
    rows, targets = [spans(3.0), spans(2.0, 1.0), spans(1.0), spans(0.5)], [right, right, none, none]
    assert task.score(rows, targets)[0].value == 0.5  # at the threshold 0
    assert task.quick(rows, targets)["f1"] == 1.0 and task.threshold == 0.0  # what it would be at the best one
    task.calibrate(rows, targets)
    assert -2.0 < task.threshold < -1.0
    assert task.quick(rows, targets) == {"f1": 1.0, "exact_match": 1.0}
    first, last = task.decode(rows)[0], task.decode(rows)[-1]
    assert first["answer"] == "answer0" and (first["start"], first["end"]) == (0, 7)
    assert last["answer"] == "" and last["start"] is None and last["probability"] == last["no_answer_probability"]
    assert last["n_best"][0]["answer"] == "answer0"
    assert first["probability"] == pytest.approx(np.exp(3) / (np.exp(3) + 1))
    again = make()
    again.restore(json.loads(json.dumps(task.state())))
    assert again.decode(rows) == task.decode(rows)


def test_where_every_question_has_an_answer_one_is_always_given() -> None:
    task = make()
    task.fit([example("q", PASSAGE, "France")])
    task.calibrate([spans(-9.0)], [{"text": ["answer0"]}])
    (got,) = task.decode([spans(-9.0, -10.0)])
    assert got["answer"] == "answer0" and "no_answer_probability" not in got and task.threshold == 0.0
    assert sum(x["probability"] for x in got["n_best"]) == pytest.approx(1.0)
    (empty,) = task.decode([()])
    assert empty["answer"] == "" and empty["n_best"] == [] and empty.keys() == task.specimen().keys()


def test_a_row_without_any_span_chooses_no_threshold() -> None:
    task = make()
    task.fit([example("q", PASSAGE, "France"), example("q", PASSAGE)])
    right, none = {"text": ["answer0"]}, {"text": []}
    task.calibrate([(), spans(3.0), spans(1.0)], [none, right, none])
    assert -3.0 < task.threshold < -1.0
    task.calibrate([()], [right])
    assert -3.0 < task.threshold < -1.0


def test_a_fixed_threshold_is_kept() -> None:
    task = make({"threshold": -5.0})
    task.fit([example("q", PASSAGE, "France"), example("q", PASSAGE)])
    task.calibrate([spans(1.0)], [{"text": ["answer0"]}])
    assert task.threshold == -5.0 and task.decode([spans(4.9)])[0]["answer"] == ""


def test_an_empty_prediction_is_wrong_where_there_is_an_answer() -> None:
    task: Callable[..., Any] = make()
    task.fit([example("q", PASSAGE, "France"), example("q", PASSAGE)])  # type: ignore[attr-defined]
    targets = [{"text": ["the"]}, {"text": []}]
    assert list(task.correct([(), ()], targets)) == [0.0, 1.0]  # type: ignore[attr-defined]


# -- tokenizers of other families ----------------------------------------------------------------------------------

MIXED = "The  Normans — Café “Nörd” 诺曼人（１０６６年）到了 France 🇫🇷 in 1066.  They stayed; 他们住了下来。"


def byte_level() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import RobertaTokenizer

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.train_from_iterator([MIXED] * 3, trainers.BpeTrainer(
        vocab_size=330, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return RobertaTokenizer(tokenizer_object=backend)


def metaspace() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.train_from_iterator([MIXED] * 3, trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>",
                                   pad_token="<pad>", cls_token="<s>", sep_token="</s>")


def without_special() -> Any:
    tokenizer = metaspace()
    from tokenizers import processors

    tokenizer.backend_tokenizer.post_processor = processors.Sequence([])
    tokenizer.cls_token = None
    return tokenizer


@pytest.mark.parametrize("make_tokenizer", [byte_level, metaspace, without_special])
@pytest.mark.parametrize("answer", ["Normans", "Café", "“Nörd”", "诺曼人", "１０６６年", "France", "1066", "住了下来", "They stayed"])
def test_places_are_right_whatever_the_tokenizer(make_tokenizer: Callable[[], Any], answer: str) -> None:
    """From the answer to tokens, and from perfect logits for these back to the answer in the original text."""
    task, tokenizer = make({"stride": 8}), make_tokenizer()
    (row,) = answered(task, tokenizer, [example("who ?", MIXED, answer)], 60)
    batch = task.collate([row], tokenizer.pad_token_id or 0, "right")
    logits = torch.zeros(*batch["input_ids"].shape, 2)
    for window, (a, b) in enumerate(batch["targets"].tolist()):
        logits[window, a, 0] = logits[window, b, 1] = 9.0
    task.longest = 40
    (got,) = task.rows(logits, batch)
    # A token may reach beyond the answer, as 。 after 下来 does; what is given holds it and little else.
    assert answer in got[0].text and len(got[0].text) <= len(answer) + 4
    assert got[0].text == MIXED[got[0].start : got[0].end] and got[0].score >= 18.0


def test_what_is_kept_of_a_row_does_not_grow_with_its_passage(tuned: Any, tiny_tokenizer: Any) -> None:
    task, _, _, model = tuned
    sizes = []
    for times in (1, 40):
        rows = task.encode([example("was it good ?", " ".join([WORDS] * times), "good")], tiny_tokenizer, 24)
        batch = task.collate(rows, 0, "right")
        with torch.no_grad():
            (got,) = task.rows(model(**inputs(batch)), batch)
        assert len(batch["owner"]) >= 2 * times
        sizes.append((len(got), max(len(s.text) for s in got) <= task.longest + 8))
    assert sizes == [(7, True), (7, True)]
