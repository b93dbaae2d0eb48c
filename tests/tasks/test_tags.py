"""Tags and spans as files have them, read as entities: published cases, every scheme, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from weitiao.core.errors import RowError
from weitiao.tasks._tags import Seen, chunks, spans, split_tag, tag_names

WANT = [(0, 2, "PER"), (3, 4, "LOC"), (4, 7, "ORG"), (7, 8, "ORG")]
SCHEMES = {
    "BIO": "B-PER I-PER O B-LOC B-ORG I-ORG I-ORG B-ORG",
    "IOB1": "I-PER I-PER O I-LOC I-ORG I-ORG I-ORG B-ORG",
    "BIOES": "B-PER E-PER O S-LOC B-ORG I-ORG E-ORG S-ORG",
    "BMES": "B-PER E-PER O S-LOC B-ORG M-ORG E-ORG S-ORG",
    "BILOU": "B-PER L-PER O U-LOC B-ORG I-ORG L-ORG U-ORG",
}


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_says_the_same_and_is_recognised(name: str) -> None:
    tags = SCHEMES[name].split()
    assert chunks(tags) == WANT
    seen = Seen()
    seen.add(tags)
    assert (seen.scheme, seen.mended) == (name, 0)


def test_tags_without_letters_are_runs() -> None:
    tags = ["PER", "PER", "O", "LOC", "ORG"]
    assert chunks(tags) == [(0, 2, "PER"), (3, 4, "LOC"), (4, 5, "ORG")]
    seen = Seen()
    seen.add(tags)
    assert (seen.scheme, seen.mended) == ("IO", 0)


# The example in seqeval's README (https://github.com/chakki-works/seqeval), and sequences whose reading conlleval's own
# source defines: I or E where nothing goes on begins an entity.
@pytest.mark.parametrize(("tags", "want"), [
    ("O O O B-MISC I-MISC I-MISC O", [(3, 6, "MISC")]),
    ("O O B-MISC I-MISC I-MISC I-MISC O", [(2, 6, "MISC")]),
    ("O I-PER I-PER", [(1, 3, "PER")]),
    ("B-PER I-LOC", [(0, 1, "PER"), (1, 2, "LOC")]),
    ("I-PER B-PER", [(0, 1, "PER"), (1, 2, "PER")]),
    ("B-PER E-PER I-PER", [(0, 2, "PER"), (2, 3, "PER")]),
    ("O E-PER E-PER", [(1, 2, "PER"), (2, 3, "PER")]),
    ("S-PER I-PER", [(0, 1, "PER"), (1, 2, "PER")]),
    ("B-PER B-PER", [(0, 1, "PER"), (1, 2, "PER")]),
    ("", []),
])
def test_illegal_sequences_are_read_as_conlleval_does(tags: str, want: list[Any]) -> None:
    assert chunks(tags.split()) == want


@pytest.mark.parametrize(("rows", "scheme", "mended"), [
    (["B-X I-X O", "O I-X", "B-Y I-X"], "BIO", 2),
    (["I-X I-X O", "I-X B-X"], "IOB1", 0),
    (["B-X E-X O", "B-X O", "I-X E-X", "B-X I-X"], "BIOES", 3),
    (["B-X I-X", "city O"], "BIO", 2), (["O O"], "", 0),
])
def test_what_breaks_the_scheme_is_counted(rows: list[str], scheme: str, mended: int) -> None:
    seen = Seen()
    for row in rows:
        seen.add(row.split())
    assert (seen.scheme, seen.mended) == (scheme, mended)


def test_labels_may_hold_hyphens_and_letters() -> None:
    assert split_tag("B-date-from") == ("B", "date-from")
    assert split_tag("I_WORK_OF_ART") == ("I", "WORK_OF_ART")
    assert split_tag("BIO-x") == ("", "BIO-x")
    assert tag_names([0, 1, 2], ["O", "B-PER", "I-PER"], "tags") == ["O", "B-PER", "I-PER"]
    for bad in ([3], [True], [None], [""], [-1]):
        with pytest.raises(RowError, match="bad_tag"):
            tag_names(bad, ["O", "B-PER", "I-PER"], "tags")


TEXT = "台湾 from 8 to 9 pm"


@pytest.mark.parametrize("value", [
    [{"start": 8, "end": 9, "label": "from"}, {"start": 13, "end": 17, "label": "to"}],
    [{"begin": 8, "stop": 9, "type": "from"}, {"span": [13, 17], "tag": "to", "text": "9 pm"}],
    [[13, 17, "to"], [8, 9, "from"]],
    [["to", 13, 17], ["from", 8, 9]],
    {"from": {"text": "8", "span": [8, 9]}, "to": {"text": "9 pm", "span": [13, 17]}},
    {"from": [{"start": 8, "end": 9}], "to": [[13, 17]]},
    {"to": {"9 pm": [[13, 16]]}, "from": {"8": [[8, 8]]}},  # ends that are inclusive, as CLUENER2020's
])
def test_spans_in_every_usual_form(value: Any) -> None:
    seen = Seen()
    assert spans(value, TEXT, "slots", seen) == [(8, 9, "from"), (13, 17, "to")]
    assert seen.spans == 0


def test_white_space_and_doubles_are_mended_and_counted() -> None:
    seen = Seen()
    assert spans([[7, 9, "from"], [8, 9, "from"], [0, 2, "GPE"]], TEXT, "e", seen) == [(0, 2, "GPE"), (8, 9, "from")]
    assert seen.spans == 2


@pytest.mark.parametrize(("value", "code"), [
    ([[0, 99, "x"]], "row.span_outside"), ([[3, 3, "x"]], "row.span_outside"), ([[-1, 2, "x"]], "row.span_outside"),
    ([[0, 4, "x"], [3, 5, "y"]], "row.spans_overlap"), ([[0, 2, "x"], [0, 2, "y"]], "row.spans_overlap"),
    ([{"start": 0, "end": 2, "label": "x", "text": "台北"}], "row.span_text"),
    ([{"start": 0, "end": 2}], "row.bad_span"), ([[0, 2]], "row.bad_span"), ([[0.0, 2.0, "x"]], "row.bad_span"),
    ([[2, 3, "x"]], "row.bad_span"), ({"x": 3}, "row.bad_span"), ("x", "row.bad_span"), ([None], "row.bad_span"),
    ([[0, 2, " "]], "row.bad_span"),
])
def test_spans_that_cannot_be_meant_are_refused(value: Any, code: str) -> None:
    with pytest.raises(RowError) as e:
        spans(value, TEXT, "e", Seen())
    assert e.value.code == code and e.value.field == "e"
