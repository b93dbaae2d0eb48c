"""csv, tsv and txt: no row lost to a quote, headers and delimiters found, bad rows named."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weitiao import formats
from weitiao.core.errors import DataError
from weitiao.example import Row
from weitiao.formats import BadRow


def read(tmp_path: Path, text: str, name: str = "a.csv", **options: str) -> tuple[list[Row | BadRow], dict[str, str]]:
    path = tmp_path / name
    path.write_bytes(text.encode())
    (file,) = formats.find([path], **options)
    return list(file.rows()), file.source.facts


def values(rows: list[Row | BadRow]) -> list[tuple[object, ...]]:
    return [(r.line, *r.values.values()) if isinstance(r, Row) else (r.line, r.code) for r in rows]


# -- quotes --------------------------------------------------------------------------------------------------------

def test_quoting_by_the_book(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, 'text,label\r\n"a ""b"", c\r\n\r\nd",x\r\n"",y\r\nplain,z\r\n')
    assert values(rows) == [(2, 'a "b", c\r\n\r\nd', "x"), (5, "", "y"), (6, "plain", "z")]


def test_a_lone_quote_swallows_nothing(tmp_path: Path) -> None:
    rows, facts = read(tmp_path, 'text,label\n5" disc,good\n"never closed,bad\nfine,good\n"Great" he said,bad\n'
                                 '"a, b",good\nlast,bad\n')
    assert values(rows) == [(2, '5" disc', "good"), (3, '"never closed', "bad"), (4, "fine", "good"),
                            (5, '"Great" he said', "bad"), (6, "a, b", "good"), (7, "last", "bad")]
    assert facts["stray_quotes"] == "3"


def test_two_lone_quotes_do_not_make_a_pair(tmp_path: Path) -> None:
    rows, facts = read(tmp_path, 'text,label\n"opens,good\nfine,bad\ncloses",good\nok,bad\n')
    assert values(rows) == [(2, '"opens', "good"), (3, "fine", "bad"), (4, 'closes"', "good"), (5, "ok", "bad")]
    assert facts["quotes"] == "literal"


def test_a_text_of_several_lines_stays_whole(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, 'text,label\n"Good, cheap\nnice",good\nfine,bad\nok,good\n')
    assert values(rows) == [(2, "Good, cheap\nnice", "good"), (4, "fine", "bad"), (5, "ok", "good")]


def test_rows_quoted_throughout_with_quotes_inside(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, '"text","label"\n"5" disc, new","good"\n"said ""no""","bad"\n')
    assert values(rows) == [(2, '5" disc, new', "good"), (3, 'said "no"', "bad")]


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.txt"])
def test_unquoted_tabs_with_quotes_lose_no_row(tmp_path: Path, name: str) -> None:
    """The shape of a well-known similarity set, of which default quoting loses a fifth."""
    pairs = [(f'Sentence {i}, he said', f'"Yes {i}') for i in range(500)] + [('"Whole"', "rest")] * 50
    text = "score\tsentence1\tsentence2\n" + "".join(f"{i % 6}.5\t{a}\t{b}\n" for i, (a, b) in enumerate(pairs))
    rows, facts = read(tmp_path, text, name)
    assert len(list(csv.reader(io.StringIO(text), delimiter="\t"))) < 350
    assert [tuple(r.values.values())[1:] for r in rows if isinstance(r, Row)] == pairs
    assert rows[-1].line == 551 and (name == "a.txt" or facts["quotes"] == "literal")


def test_a_quote_at_the_end_of_the_sample(tmp_path: Path) -> None:
    """The dialect is judged by the first 20,000 lines; a record that goes on beyond them is no evidence."""
    body = "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(19_997))
    rows, _ = read(tmp_path, f'text,label\n{body}"one\ntwo\nthree\nfour",a\nlast,b\n')
    assert values(rows)[-2:] == [(19_999, "one\ntwo\nthree\nfour", "a"), (20_003, "last", "b")]


def test_an_unclosed_quote_before_a_long_file(tmp_path: Path) -> None:
    body = "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(30_000))
    rows, _ = read(tmp_path, f'text,label\n"x, y",a\n"unclosed,b\n{body}')
    assert len(rows) == 30_002 and values(rows)[1] == (3, '"unclosed', "b")


free = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=12) | st.text('a,;"\n\r\t b|',
                                                                                                   max_size=12)
one_line = st.text('a,;"\t b|', max_size=12) | st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff,"),
                                                       max_size=12)


def tables(cells: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    return st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(cells, min_size=n, max_size=n), min_size=1, max_size=8))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables(free).map(lambda t: [['by the "book", yes'] * len(t[0]), *t]) | tables(one_line),
       quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_what_the_standard_library_writes_reads_back_equal(tmp_path: Path, table: list[list[str]],
                                                           quoting: int) -> None:
    """Any table, where a row shows that its writer quotes by the book; else any without commas beside line ends."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["text", "label", "id", "source"][: len(table[0])])
    writer.writerows(table)
    rows, _ = read(tmp_path, out.getvalue())
    assert [list(r.values.values()) for r in rows if isinstance(r, Row)] == table


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.text('ab,"; ', min_size=1, max_size=10), min_size=1, max_size=12))
def test_no_line_without_a_partner_disappears(tmp_path: Path, lines: list[str]) -> None:
    """Whatever stands in it, a file of n lines gives rows that begin on all of them, or span them by the book."""
    rows, _ = read(tmp_path, "text,label\n" + "".join(f"{x}\n" for x in lines))
    spans = sum(1 + str(r.values["text"]).count("\n") + str(r.values["label"]).count("\n") if isinstance(r, Row)
                else 1 + r.raw.count("\n") for r in rows)
    assert spans == len(lines)


# -- fields --------------------------------------------------------------------------------------------------------

def test_ragged_rows_are_named(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "text,label\ngood,1\nbad\nso, so,0\nfine,1\n")
    assert [type(r) for r in rows] == [Row, BadRow, BadRow, Row]
    bad = rows[2]
    assert isinstance(bad, BadRow) and (bad.line, bad.code, bad.raw) == (4, "row.fields", "so, so,0")
    assert "3" in bad.reason and "2" in bad.reason


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_delimiters_are_found(tmp_path: Path, mark: str) -> None:
    others = "".join(m for m in ",;|" if m != mark)
    text = f"text{mark}label\n" + f"it has {others} in it{mark}1\nplain{mark}0\n" * 3
    rows, facts = read(tmp_path, text)
    assert facts["delimiter"] == mark and values(rows)[0] == (2, f"it has {others} in it", "1")


def test_named_delimiter(tmp_path: Path) -> None:
    assert values(read(tmp_path, "text:label\na,b:1\n", delimiter=":")[0]) == [(2, "a,b", "1")]
    assert values(read(tmp_path, "text\tlabel\na,b\t1\n", delimiter="tab")[0]) == [(2, "a,b", "1")]
    with pytest.raises(DataError, match=r"data\.delimiter"):
        read(tmp_path, "a", delimiter="::")


def test_one_column_with_commas_in_it(tmp_path: Path) -> None:
    assert values(read(tmp_path, "text\na, b\nc\n")[0]) == [(2, "a, b"), (3, "c")]


@pytest.mark.parametrize(("text", "expected"), [
    ("很好吃,1\n太慢了,0\n还行,1\n", ["text", "label"]),
    ("1,很好吃\n0,太慢了\n1,还行\n", ["label", "text"]),
    ("positive,I love it\nnegative,I hate it\npositive,Great\n", ["label", "text"]),
    ("I love it,positive\nI hate it,negative\nGreat,positive\n", ["text", "label"]),
    ("a good film,happy,1\na bad film,sad,2\na film,happy,1\n", ["column_1", "column_2", "column_3"]),
])
def test_a_missing_header_is_noticed(tmp_path: Path, text: str, expected: list[str]) -> None:
    rows, facts = read(tmp_path, text)
    assert isinstance(rows[0], Row) and list(rows[0].values) == expected and rows[0].line == 1 and len(rows) == 3
    assert facts["header"] == "none"


@pytest.mark.parametrize("header", ["text,label", "评论,星级", "review_body,stars_given", "Column A,Column B", "q1,q2",
                                    "Label,Text"])
def test_a_header_is_noticed(tmp_path: Path, header: str) -> None:
    rows, facts = read(tmp_path, f"{header}\nvery good indeed,positive\nvery bad,negative\nso so,positive\n")
    assert len(rows) == 3 and "header" not in facts
    assert isinstance(rows[0], Row) and list(rows[0].values) == header.split(",")


def test_headers_with_gaps_and_doubles(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, ",text, label ,\n0,good,1,\n")
    assert isinstance(rows[0], Row) and list(rows[0].values) == ["column_1", "text", "label", "column_4"]
    with pytest.raises(DataError, match=r"data\.duplicate_column"):
        read(tmp_path, "text,label,text\na,b,c\n")


def test_plain_text(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, '很好吃\tpositive\n"太慢\tnegative\n', "a.txt")
    assert values(rows) == [(1, "很好吃", "positive"), (2, '"太慢', "negative")]
    rows, facts = read(tmp_path, 'one text, a line\n\nanother\twith a tab\n"third"\n', "a.txt")
    assert values(rows) == [(1, "one text, a line"), (3, "another\twith a tab"), (4, '"third"')]
    assert isinstance(rows[0], Row) and list(rows[0].values) == ["text"] and facts["header"] == "none"
    assert values(read(tmp_path, "a\tb\nc\n d\te\n", "a.txt")[0])[1] == (2, "row.fields")


def test_header_only(tmp_path: Path) -> None:
    assert read(tmp_path, "text,label\n")[0] == []
