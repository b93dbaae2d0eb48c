"""The section forms: what tasks say of their rows, and what pairs of texts show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doctor_case import checked, found, places, the

PASSAGE = "Normandy is a region in France. France lies in Europe."


def squad(*answers: dict[str, Any]) -> list[dict[str, Any]]:
    fine = [{"question": f"Where is Normandy? ({i})", "context": PASSAGE,
             "answers": {"text": ["France"], "answer_start": [24]}} for i in range(100)]
    return fine + [{"question": f"Where? ({i})", "context": PASSAGE, "answers": a} for i, a in enumerate(answers)]


def said(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def pairs(n: int) -> list[dict[str, Any]]:
    return [{"en": f"The weather is fine today in city number {i}", "zh": f"第{i}座城市今天的天气很好，没有下雨"} for i in range(n)]


def test_answers_moved_and_answers_nowhere(tmp_path: Path) -> None:
    got = checked(tmp_path, squad({"text": ["France"], "answer_start": [20]},
                                  {"text": ["France", "Spain", "Portugal"], "answer_start": [24, 3, -1]}))
    moved, missing = the(got, "forms.answer_moved"), the(got, "forms.answer_missing")
    assert (moved.count, places(moved), moved.verdict) == (1, [101], "look")
    assert (missing.count, places(missing)) == (2, [102, 102])
    assert "Spain" in missing.spots[0].note


def test_good_answers_are_good(tmp_path: Path) -> None:
    assert checked(tmp_path, squad(), sections=["forms"]).verdict == "good"


def test_tags_that_break_the_rules_and_borders_within_words(tmp_path: Path) -> None:
    rows = [{"tokens": ["in", "London", "no", str(i)], "tags": ["O", "B-LOC", "O", "O"]} for i in range(100)]
    rows.append({"tokens": ["near", "York", "city"], "tags": ["O", "I-LOC", "I-LOC"]})
    broken = the(checked(tmp_path, rows), "forms.tags_broken")
    assert (broken.count, places(broken)) == (1, [101])
    spans = [{"text": f"in London {i}", "entities": [{"start": 3, "end": 9, "label": "LOC"}]} for i in range(100)]
    spans.append({"text": "in London", "entities": [{"start": 3, "end": 6, "label": "LOC"}]})
    off = the(checked(tmp_path, spans), "forms.off_border")
    assert (off.count, places(off)) == (1, [101]) and "Lon" in off.spots[0].note


def test_an_iob1_file_breaks_no_rule(tmp_path: Path) -> None:
    """In IOB1 an entity begins with I; B stands only between two of one label (Ramshaw and Marcus 1995)."""
    rows = [{"tokens": ["in", "London", str(i)], "tags": ["O", "I-LOC", "O"]} for i in range(100)]
    rows.append({"tokens": ["London", "York"], "tags": ["I-LOC", "B-LOC"]})
    assert found(checked(tmp_path, rows), "forms.tags_broken") is None


def test_conversations_out_of_turn(tmp_path: Path) -> None:
    fine = [said(("user", f"How are you, number {i}?"), ("assistant", f"Number {i} is fine.")) for i in range(60)]
    odd = [said(("assistant", "one"), ("user", "b"), ("assistant", "yes it is")),
           said(("assistant", "hello"), ("user", "hi"), ("assistant", "well now")),
           said(("user", "a b"), ("system", "be nice"), ("user", "c"), ("assistant", "yes, why")),
           said(("user", "a"), ("assistant", ""), ("user", "d"), ("assistant", "good for you"))]
    kept = [said(("system", "be nice"), ("user", "a"), ("assistant", "call"), ("tool", "3"), ("tool", "4"),
                 ("assistant", "it is 3")),
            said(("user", "a"), ("user", "b"), ("assistant", "yes it is"))]  # people do so, and it is learnt as it is
    got = checked(tmp_path, [*fine, *odd, *kept])
    assert places(the(got, "forms.out_of_turn")) == [61, 62]
    assert places(the(got, "shape.rejected.out_of_turn")) == [63]
    assert places(the(got, "forms.turn_empty")) == [64]


def test_targets_that_say_nothing(tmp_path: Path) -> None:
    rows = [{"prompt": f"What is the number of it, {i}?", "completion": f"It is number {i}."} for i in range(90)]
    rows += [{"prompt": "Say it again now", "completion": "say it again, now!"}, {"prompt": "And then?", "completion": "..."},
             {"prompt": "What is the capital of France", "completion": "Paris"}, {"prompt": "Capital?", "completion": "Rome"}]
    got = checked(tmp_path, rows)
    assert places(the(got, "forms.same")) == [91] and places(the(got, "forms.wordless")) == [92]
    one = the(got, "forms.one_word")
    assert (places(one), one.verdict) == ([93], "good")


def test_wrong_sides_and_lengths(tmp_path: Path) -> None:
    rows = [*pairs(300), {"en": "This was never translated by anybody.", "zh": "This was never translated by anybody"},
            {"en": "这一行的方向正好相反，很奇怪", "zh": "The direction of this row is wrong"},
            {"en": "This is a long sentence about the weather in Berlin, and it goes on and on about the rain.", "zh": "柏林"},
            {"en": "See https://example.com/a/b", "zh": "见 https://example.com/a/b"}]
    got = checked(tmp_path, rows, tree={"task": {"name": "translate"}})
    wrong, outliers = the(got, "forms.wrong_language"), the(got, "forms.length_ratio")
    assert (places(wrong), wrong.verdict) == ([301, 302], "look")
    assert places(outliers) == [302, 303] and places(the(got, "forms.same")) == [301]


def test_two_languages_of_one_script(tmp_path: Path) -> None:
    rows = [{"source": f"The {i} dogs are in the garden and it is not raining.",
             "target": f"Die {i} Hunde sind im Garten und es regnet nicht."} for i in range(200)]
    rows.append({"source": "The cat is on the roof.", "target": "The cat is on the roof of the house."})
    rows.append({"source": "A man in Berlin", "target": "Ein Mann in Berlin"})
    wrong = the(checked(tmp_path, rows, tree={"task": {"name": "translate", "source": "en", "target": "de"}}),
                "forms.wrong_language")
    assert places(wrong) == [201]


def test_questions_and_answers_of_one_language_have_no_wrong_side(tmp_path: Path) -> None:
    rows = [{"prompt": f"What is the number of it, {i}?", "completion": f"It is number {i}."} for i in range(90)]
    assert found(checked(tmp_path, rows), "forms.wrong_language") is None
