"""`weitiao predict`: every row comes back in order, bad ones with their reason; files are whole or not there."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from weitiao import predicting
from weitiao.core.errors import RecipeError, RunError
from weitiao.example import Row
from weitiao.formats import BadRow

from .conftest import FakeBundle, Weitiao, error_of


def given(n: int, values: Callable[[], dict[str, str]] = lambda: {"text": "x"}) -> Any:
    """`n` rows that are made while they are read."""
    class Made(predicting.Rows):
        def __iter__(self) -> Iterator[Row]:
            return (Row(values(), "f", i) for i in range(n))

    return Made(())


REVIEWS = 'text,stars,note\n很好吃很好吃,5,"a, b"\n,1,x\nbad,2,\n'


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_text(REVIEWS, encoding="utf-8")
    return path


def test_csv_keeps_the_columns_and_gives_bad_rows_their_reason(weitiao: Weitiao, bundle: FakeBundle,
                                                               reviews: Path) -> None:
    code, out, err = weitiao("predict", "runs/a", "reviews.csv", "-o", "out.csv")
    rows = list(csv.DictReader(io.StringIO(Path("out.csv").read_text("utf-8"))))
    assert code == 0 and err == "" and "3 rows, 1 of them could not be read" in out and "text: empty" in out
    assert list(rows[0]) == ["text", "stars", "note", "predicted_label", "predicted_probability",
                             "predicted_probabilities.long", "predicted_probabilities.short", "row_source", "row_error"]
    assert [r["text"] for r in rows] == ["很好吃很好吃", "", "bad"] and rows[0]["note"] == "a, b"
    assert [r["predicted_label"] for r in rows] == ["long", "", "short"]
    assert rows[0]["predicted_probabilities.long"] == "0.731059"
    assert [r["row_error"] for r in rows] == ["", "text: empty", ""] and rows[1]["row_source"] == "reviews.csv:3"
    assert sorted(p.name for p in Path().iterdir()) == ["out.csv", "reviews.csv"]


def test_other_forms_hold_the_same(weitiao: Weitiao, bundle: FakeBundle, reviews: Path) -> None:
    import pyarrow.parquet as pq

    for name in ("out.jsonl", "out.parquet", "out.tsv"):
        assert weitiao("predict", "runs/a", "reviews.csv", "-o", name)[0] == 0
    lines = [json.loads(x) for x in Path("out.jsonl").read_text("utf-8").splitlines()]
    table = pq.read_table("out.parquet").to_pylist()
    assert [x["predicted_label"] for x in lines] == [x["predicted_label"] for x in table] == ["long", None, "short"]
    assert table[0]["predicted_probability"] == pytest.approx(0.731059, abs=1e-6) and table[0]["stars"] == "5"
    assert [x["row_error"] for x in table] == ["", "text: empty", ""]
    assert Path("out.tsv").read_text("utf-8").startswith("text\tstars\t")


def test_standard_output_carries_the_data_only(weitiao: Weitiao, bundle: FakeBundle, reviews: Path) -> None:
    _, out, err = weitiao("predict", "runs/a", "reviews.csv")
    assert len(list(csv.DictReader(io.StringIO(out)))) == 3 and "1 of them could not be read" in err
    _, out, err = weitiao("predict", "runs/a", "reviews.csv", "--json", "--quiet")
    assert [json.loads(x)["predicted_label"] for x in out.splitlines()] == ["long", None, "short"] and err == ""


def test_json_with_a_file_is_a_summary(weitiao: Weitiao, bundle: FakeBundle, reviews: Path) -> None:
    _, out, _ = weitiao("predict", "runs/a", "reviews.csv", "-o", "out.csv", "--json")
    assert json.loads(out) == {"output": "out.csv", "rows": 3, "bad": 1}


def test_texts_on_the_command_line(weitiao: Weitiao, bundle: FakeBundle) -> None:
    code, out, _ = weitiao("predict", "runs/a", "--text", "很好吃", "--text", "very long text")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == ["short", "long"]
    _, out, _ = weitiao("predict", "runs/a", "--text", "很好吃", "--json")
    assert json.loads(out)["predictions"][0]["label"] == "short"


def test_columns_of_other_names(weitiao: Weitiao, bundle: FakeBundle) -> None:
    Path("x.jsonl").write_text('{"评论": "very long text", "text": "x", "error": "mine"}\n', "utf-8")
    weitiao("predict", "runs/a", "x.jsonl", "-o", "o.jsonl", "--columns", "text=评论")
    row = json.loads(Path("o.jsonl").read_text("utf-8"))
    assert row["predicted_label"] == "long" and row["评论"] == "very long text"
    assert row["text"] == "x" and row["error"] == "mine"


def test_rows_of_unlike_columns_all_fit(weitiao: Weitiao, bundle: FakeBundle) -> None:
    Path("x.jsonl").write_text('{"text": "a", "n": 1}\n{"text": "b", "tags": ["x", "y"]}\n', "utf-8")
    weitiao("predict", "runs/a", "x.jsonl", "-o", "o.csv")
    rows = list(csv.DictReader(io.StringIO(Path("o.csv").read_text("utf-8"))))
    assert rows[0]["n"] == "1" and rows[1]["tags"] == '["x", "y"]' and rows[0]["tags"] == ""


@pytest.mark.parametrize(("args", "code", "error", "says"), [
    (["runs/a", "reviews.csv", "-o", "reviews.csv"], 2, "predict.overwrites_input", "-o"),
    (["runs/a", "reviews.csv", "-o", "out.docx"], 2, "predict.unknown_output", ".jsonl"),
    (["runs/a", "reviews.csv", "--to", "parquet"], 2, "predict.unknown_output", ".csv"),
    (["runs/a", "reviews.csv", "--to", "jsn"], 2, "predict.unknown_output", "jsonl"),
    (["runs/a", "revews.csv", "-o", "out.csv"], 3, "data.missing_file", "reviews.csv"),
    (["runs/a", "reviews.csv", "--text", "x"], 2, "cli.files_or_text", "--text"),
    (["runs/a"], 2, "cli.files_or_text", "--text"),
    (["runs/a", "reviews.csv", "-o", "reviews.csv/x.csv"], 5, "disk.write_failed", "--out"),
    (["runs/a", "reviews.csv", "-o", "blank.csv", "--columns", "text=note2"], 3, "predict.no_good_row", "text"),
])
def test_a_bad_request_leaves_nothing_behind(weitiao: Weitiao, bundle: FakeBundle, args: list[str], code: int,
                                             error: str, says: str) -> None:
    text = "other,more\nx,y\nz,w\n" if "blank.csv" in args else REVIEWS
    Path("reviews.csv").write_text(text, "utf-8")
    got, out, _ = weitiao("predict", *args, "--json")
    last = error_of(out)
    assert (got, last["code"]) == (code, error) and says in json.dumps(last, ensure_ascii=False)
    assert [p.name for p in Path().iterdir()] == ["reviews.csv"] and Path("reviews.csv").read_text("utf-8") == text


def test_a_missing_run_is_named(weitiao: Weitiao, reviews: Path) -> None:
    code, _, err = weitiao("predict", "runs/none", "reviews.csv", "-o", "out.csv")
    assert code == 5 and err.startswith("[bundle.missing] runs/none") and not Path("out.csv").exists()


def test_a_failure_half_way_keeps_the_old_file(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("old")

    class Breaking(FakeBundle):
        def predict_rows(self, rows: Iterator[Row | BadRow]) -> Iterator[tuple[Row | BadRow, dict[str, object]]]:
            for i, pair in enumerate(super().predict_rows(rows)):
                if i == 5:
                    raise MemoryError
                yield pair

    with pytest.raises(MemoryError):
        predicting.predict_file(Breaking(), given(9), str(out), "csv")
    assert out.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["out.csv"]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError) as e:
        predicting.predict_file(FakeBundle(), given(1), str(tmp_path / "o.csv"), "csv")
    assert e.value.code == "disk.write_failed" and not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    alive = 0

    class Counted(dict[str, str]):
        def __init__(self) -> None:
            nonlocal alive
            super().__init__(text="some text")
            alive += 1

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    most = 0

    def watch(_: int) -> None:
        nonlocal most
        most = max(most, alive)

    for kind in ("jsonl", "csv", "parquet"):
        predicting.predict_file(FakeBundle(), given(10_000, Counted), str(tmp_path / "out"), kind, on_rows=watch)
    assert most < 200


def test_bad_rows_of_the_file_itself_are_counted(tmp_path: Path) -> None:
    data = tmp_path / "x.jsonl"
    data.write_text('{"text": \n{"text": "long enough"}\n')
    counts = predicting.predict_file(FakeBundle(), predicting.Rows((data,)), str(tmp_path / "o.jsonl"), "jsonl")
    assert (counts.rows, counts.bad) == (2, 1) and counts.first_error
    lines = [json.loads(x) for x in (tmp_path / "o.jsonl").read_text("utf-8").splitlines()]
    assert lines[0]["row_error"] == counts.first_error and lines[0]["row_source"].endswith("x.jsonl:1")
    assert lines[1]["predicted_label"] == "long"


def test_the_ending_decides_the_form() -> None:
    assert predicting.kind_of("-") == "csv" and predicting.kind_of("a.JSONL") == "jsonl"
    assert predicting.kind_of("a.txt", "tsv") == "tsv"
    with pytest.raises(RecipeError):
        predicting.kind_of("a.xlsx")
