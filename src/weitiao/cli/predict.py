"""`weitiao predict RUN reviews.csv -o predictions.csv`, or `weitiao predict RUN --text "很好吃"`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weitiao.cli.guard import UsageError
from weitiao.cli.options import Columns, Device, Encoding, Format, Json, Lang, Quiet, pairs
from weitiao.core.errors import DataError, RowError
from weitiao.core.i18n import t
from weitiao.screen import Screen, to_stderr

if TYPE_CHECKING:
    from weitiao.bundle import Bundle
    from weitiao.predicting import Rows

_TELL = 256  # rows between signs of life

def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help=t("A run's or a model's folder.", "运行目录或模型目录。"))],
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", show_default=False, help=t(
        "csv, jsonl, xlsx, parquet, …", "csv、jsonl、xlsx、parquet 等。"))] = None,
    text: Annotated[list[str] | None, typer.Option("--text", metavar="TEXT", help=t(
        "A text instead of a file; twice for a model that reads pairs.", "直接给文本；句对模型给两次。"))] = None,
    out: Annotated[str, typer.Option("--out", "-o", metavar="FILE", help=t(
        "Where predictions go: .csv, .tsv, .jsonl, .parquet; - prints them.",
        "输出文件：.csv、.tsv、.jsonl、.parquet；- 为标准输出。"))] = "-",
    to: Annotated[str, typer.Option(metavar="NAME", help=t(
        "Form of the output; else by its ending.", "输出格式；默认按扩展名。"))] = "",
    format: Format = "auto",
    encoding: Encoding = "auto",
    columns: Columns = "",
    device: Device = "auto",
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> None:
    """One parameter a flag; see `weitiao predict --help`."""
    if bool(files) == bool(text):
        raise UsageError("cli.files_or_text", t("give a file or --text", "请给出文件或 --text（二选一）"),
                         where="weitiao predict", expected="weitiao predict RUN reviews.csv -o predictions.csv")
    from weitiao import predicting

    form = predicting.kind_of(out, to or ("jsonl" if as_json and out == predicting.STDOUT else ""))
    predicting.refuse_overwriting(out, files or [])
    with Screen(quiet=quiet, as_json=as_json) as screen:
        if text:
            _texts(predicting.load(run, device), text, screen)
        else:
            rows = predicting.Rows(tuple(files or ()), format, encoding, pairs(columns, "--columns"))
            _file(run, device, rows, out, form, screen)


def _texts(model: Bundle, texts: list[str], screen: Screen) -> None:
    """Each text, or one pair, as a line a prediction."""
    try:
        found = model.predict([tuple(texts)] if len(model.task.roles) > 1 else texts)
    except RowError as e:
        raise DataError(e.code, e.reason, where="--text") from e
    screen.result({"predictions": found}, *map(_one_line, found))


def _one_line(prediction: dict[str, Any]) -> str:
    """`positive  (positive 0.98, negative 0.02)`, or `4.25`; the likeliest five where there are many. What is nested
    deeper than that stands in `--json` only."""
    tables = [v for v in prediction.values() if isinstance(v, dict)]
    words = [_word(v) for v in prediction.values()
             if not (isinstance(v, dict | bool) or (tables and isinstance(v, float))
                     or (isinstance(v, list) and any(isinstance(x, dict) and "label" not in x for x in v)))]
    likeliest = [sorted(x.items(), key=lambda kv: -kv[1])[:5] for x in tables]
    return "  ".join([*words, *("(" + ", ".join(f"{k} {v:.4g}" for k, v in x) + ")" for x in likeliest)])


def _word(value: Any) -> str:
    """Text, number, labels, or entities with their places: `PER 李开复 [11:14] 0.98`."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, list):
        return ", ".join(f"{x['label']} {x['text']} [{x['start']}:{x['end']}] {x['probability']:.2f}"
                         if isinstance(x, dict) else x for x in value)
    return value if isinstance(value, str) else f"{value:.4g}"


def _file(run: Path, device: str, rows: Rows, out: str, form: str, screen: Screen) -> None:
    from weitiao import predicting

    rows.check()
    model = predicting.load(run, device)
    start = time.perf_counter()
    live = out != predicting.STDOUT

    def tell(n: int) -> None:
        if live and n % _TELL == 0:
            screen.counting(n, time.perf_counter() - start)

    counts = predicting.predict_file(model, rows, out, form, on_rows=tell)
    screen.end()
    bad = ""
    if counts.bad:
        bad = t(", {b:,} of them could not be read (see row_error; the first: {e})",
                "，其中 {b:,} 行无法读取（见 row_error 列；第一行：{e}）", b=counts.bad, e=counts.first_error)
    text = t("{n:,} rows{b} → {o}", "{n:,} 行{b} → {o}", n=counts.rows, b=bad, o=out)
    if live:
        screen.result({"output": out, "rows": counts.rows, "bad": counts.bad}, text)
    elif counts.bad and not screen.quiet:
        to_stderr(text)
