"""A file of rows in, the same rows with their predictions out: streaming, in constant memory, whole or not at all.

    text,stars                     text,stars,predicted_label,predicted_probability,…,row_source,row_error
    很好吃,5              →         很好吃,5,positive,0.98,…,reviews.csv:2,
    ,1                             ,1,,,…,reviews.csv:3,text: empty

Every row of the input has a row in the output, in the same order; a bad one says why in `row_error`. Columns that an
earlier prediction added to the file are replaced.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import tee
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from weitiao.core.errors import DataError, RecipeError
from weitiao.core.files import write_failed
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest
from weitiao.example import Row
from weitiao.formats import BadRow

if TYPE_CHECKING:
    from weitiao.bundle import Bundle

STDOUT = "-"
KINDS = ("csv", "tsv", "jsonl", "parquet")
SOURCE, ERROR = "row_source", "row_error"  # rarely a user's own names, which "source" and "error" often are
_GROUP = 4096  # rows of one parquet row group


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows; `first_error` is the first bad row's reason."""

    rows: int
    bad: int
    first_error: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """The input. It can be opened again: csv output must know all column names before its first row.

    Args:
        files: files and folders.
        format, encoding: as for `weitiao.formats.read_rows`.
        columns: role to column where these files name their columns otherwise than the training file did.
    """

    files: tuple[Path, ...]
    format: str = "auto"
    encoding: str = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Row | BadRow]:
        from weitiao.formats import read_rows

        return read_rows(self.files, self.format, self.encoding)

    def check(self) -> None:
        """Read the first row: a mistyped name should not wait for a model to load. Raises DataError."""
        next(iter(self), None)

    def named_for(self, bundle: Bundle, rows: Iterable[Row | BadRow] | None = None) -> Iterator[Row | BadRow]:
        """The rows (or those given) with their columns named as in the training file."""
        new = {column: bundle.task.columns.get(role, role) for role, column in self.columns.items()}
        for row in self if rows is None else rows:
            if isinstance(row, Row) and new:
                # A column that merely bears the training column's name makes way for the one that was named.
                rest = {k: v for k, v in row.values.items() if k not in (*new, *new.values())}
                row = replace(row, values=rest | {new[k]: row.values[k] for k in new if k in row.values})
            yield row


def load(run: Path, device: str) -> Bundle:
    """The bundle of a run on that device ("auto": a GPU where there is one)."""
    from weitiao import bundle
    from weitiao.tuning.precision import device as find

    return bundle.load(run, device=str(find(device)))


def predict_file(bundle: Bundle, rows: Rows, out: str, kind: str, *,
                 on_rows: Callable[[int], None] = lambda n: None) -> Counts:
    """Predict every row and write it to `out` (a path, or `-` for standard output).

    Args:
        rows: read twice where the output needs all column names before the first row.
        kind: csv, tsv, jsonl or parquet.
        on_rows: called with the number of rows done.

    Raises:
        DataError: `predict.no_good_row` when no row at all could be read; then nothing is written.
        RunError: `disk.write_failed`.
    """
    answer = _answer_columns(bundle)
    header = {} if kind == "jsonl" else {**dict.fromkeys(_input_columns(rows, answer), str), **answer,
                                          SOURCE: str, ERROR: str}
    done = bad = 0
    first = ""
    with _destination(out) as file:
        writer = open_writer(kind, file, header)
        given, copies = tee(rows)
        answers = bundle.predict_rows(rows.named_for(bundle, copies))
        for original, (row, prediction) in zip(given, answers, strict=True):
            error = reason(row) if isinstance(row, BadRow) else ""
            bad, first, done = bad + bool(error), first or error, done + 1
            values = {} if isinstance(original, BadRow) else original.values
            writer.write({**values, **dict.fromkeys(answer), **flat(prediction),
                          SOURCE: f"{row.file}:{row.line}", ERROR: error})
            on_rows(done)
        writer.close()
        if bad == done:
            raise DataError("predict.no_good_row", t("none of {n} rows can be predicted; the first: {e}",
                                                     "{n} 行都无法预测，第一行的原因：{e}", n=done, e=first),
                            expected=t("the columns {c}", "含有列 {c}", c=", ".join(bundle.task.columns.values())))
    return Counts(done, bad, first)


def kind_of(out: str, wanted: str = "") -> str:
    """The output's form: `wanted`, else by the file's ending, else csv on standard output. Raises RecipeError."""
    kind = wanted or ("csv" if out == STDOUT else Path(out).suffix.lower().lstrip("."))
    if kind not in KINDS or (kind == "parquet" and out == STDOUT):
        raise RecipeError("predict.unknown_output", t("cannot write {k!r}", "无法写出 {k!r}", k=kind or out), where=out,
                          expected=", ".join("." + k for k in KINDS), fix=nearest(kind, KINDS))
    return kind


def refuse_overwriting(out: str, inputs: Sequence[Path]) -> None:
    """Raises RecipeError `predict.overwrites_input`: a user's data is never replaced by our output."""
    if out != STDOUT and Path(out).exists() and any(p.exists() and Path(out).samefile(p) for p in inputs):
        raise RecipeError("predict.overwrites_input", t("the output is one of the inputs", "输出文件就是输入文件"),
                          where=out, fix=t("choose another name with -o", "请用 -o 换一个文件名"))


def flat(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """A prediction as columns.

    >>> flat({"label": "a", "probabilities": {"a": 0.9, "b": 0.1}})
    {'predicted_label': 'a', 'predicted_probabilities.a': 0.9, 'predicted_probabilities.b': 0.1}
    """
    columns: dict[str, Any] = {}
    for key, value in prediction.items():
        if isinstance(value, Mapping):
            columns |= {f"predicted_{key}.{k}": v for k, v in value.items()}
        else:
            columns[f"predicted_{key}"] = value
    return columns


def _answer_columns(bundle: Bundle) -> dict[str, type]:
    """The columns of a prediction with their types."""
    return {k: float if isinstance(v, float) else str for k, v in flat(bundle.task.specimen()).items()}


def _input_columns(rows: Iterable[Row | BadRow], answer: Mapping[str, type]) -> list[str]:
    """Every column that any row has, in the order of first sight. Columns that we write ourselves are left to us."""
    seen: dict[str, None] = {}
    for row in rows:
        if isinstance(row, Row):
            seen.update(dict.fromkeys(row.values))
    return [c for c in seen if c not in answer and c not in (SOURCE, ERROR)]


def reason(row: BadRow) -> str:
    """Why a row is bad, with its column where that is known."""
    return f"{row.field}: {row.reason}" if row.field else row.reason


# -- writers ------------------------------------------------------------------------------------------------------


class Writer(Protocol):
    """Writes rows to an open binary file; `close` ends the form and leaves the file open."""

    def write(self, row: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


def open_writer(kind: str, file: IO[bytes], columns: Mapping[str, type]) -> Writer:
    """A writer of that kind. csv and parquet hold `columns` (name to str or float); jsonl what each row has."""
    if kind == "jsonl":
        return _Jsonl(file)
    if kind == "parquet":
        return _Parquet(file, columns)
    return _Csv(file, list(columns), "\t" if kind == "tsv" else ",")


class _Jsonl:
    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, row: Mapping[str, Any]) -> None:
        self.file.write(_bytes(json.dumps(row, ensure_ascii=False, default=str) + "\n"))

    def close(self) -> None:
        self.file.flush()


class _Csv:
    def __init__(self, file: IO[bytes], columns: Sequence[str], delimiter: str) -> None:
        self.file, self.line = file, io.StringIO(newline="")
        self.rows = csv.DictWriter(self.line, columns, delimiter=delimiter, lineterminator="\n",
                                   extrasaction="ignore")
        self.rows.writeheader()

    def write(self, row: Mapping[str, Any]) -> None:
        self.rows.writerow({k: f"{v:.6g}" if isinstance(v, float) else _text(v) for k, v in row.items()})
        self.close()

    def close(self) -> None:
        self.file.write(_bytes(self.line.getvalue()))
        self.line.seek(0)
        self.line.truncate()


class _Parquet:
    """Predicted numbers are doubles and all else is text: rows of json-like files may differ in their types."""

    def __init__(self, file: IO[bytes], columns: Mapping[str, type]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.columns = columns
        self.schema = pa.schema([(c, pa.float64() if kind is float else pa.string()) for c, kind in columns.items()])
        self.writer = pq.ParquetWriter(file, self.schema)
        self.waiting: list[dict[str, Any]] = []

    def write(self, row: Mapping[str, Any]) -> None:
        self.waiting.append({c: row.get(c) if kind is float else _text(row.get(c))
                             for c, kind in self.columns.items()})
        if len(self.waiting) >= _GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self.writer.write_table(pa.Table.from_pylist(self.waiting, self.schema))
        self.waiting = []

    def close(self) -> None:
        self._flush()
        self.writer.close()


def _text(value: Any) -> str | None:
    """Text as it is, lists and objects as JSON, nothing as nothing."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else str(value)


def _bytes(text: str) -> bytes:
    # A lone surrogate (JSON allows them escaped) is not UTF-8: keep it as an escape instead of failing.
    return text.encode("utf-8", "backslashreplace")


@contextmanager
def _destination(out: str) -> Iterator[IO[bytes]]:
    """Standard output, or a temporary file that takes the name `out` when the block ends well."""
    if out == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    final = Path(out)
    tmp: Path | None = None
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=final.parent, prefix=f".{final.name}.", suffix=".tmp")
        tmp = Path(name)
        with os.fdopen(fd, "wb") as file:
            yield file
            file.flush()
            os.fsync(fd)
        mask = os.umask(0)
        os.umask(mask)
        tmp.chmod(0o666 & ~mask)  # mkstemp makes 0600; a result is as readable as any file the user makes
        tmp.replace(final)
    except OSError as e:  # the formats turn what they cannot read into DataError, so this is about writing
        raise write_failed(final, e) from e
    finally:
        if tmp is not None:
            tmp.unlink(missing_ok=True)
