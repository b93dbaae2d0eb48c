"""The only place that prints: events and results as lines for a person, or one JSON object for a program.

>>> with Screen() as screen:
...     result = pipeline.start(recipe, on_event=screen.show)
...     screen.next_steps(result.folder, example="reviews.csv")

A terminal gets colours and a live bar, anything else plain lines; `quiet` leaves the verdict and the folder; with
`as_json` standard output carries exactly one JSON object. Characters that the output cannot encode are escaped.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from weitiao import events
from weitiao.core.errors import WeitiaoError
from weitiao.core.i18n import t

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_PLAIN_SECONDS = 30  # between progress lines where no live bar is possible


def escape_what_cannot_be_encoded() -> None:
    """Make output that cannot crash: an ASCII or GBK terminal shows `\\u9999` where it lacks the character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Screen:
    """Shows one command's events and result.

    Args:
        quiet: only what the command was asked for: the verdict and the folder, or the numbers.
        as_json: nothing but the final JSON object.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.quiet, self.as_json = quiet, as_json
        self._bar: Progress | None = None
        self._last_plain = time.monotonic()
        self._out: Console | None = None

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.end()

    # -- events ------------------------------------------------------------------------------------------------

    def show(self, event: events.Event) -> None:
        """One event of a run; give it as `on_event`."""
        if self.as_json or self.quiet:
            return
        match event:
            case events.StageStarted(stage=stage):
                self.end()
                self._line(_stage_name(stage), style="dim")
            case events.Understood(lines=lines):
                self._part(t("Understood", "理解"), lines)
            case events.DataVerdict(lines=lines):
                self._part(t("Data", "数据"), lines)
            case events.Plan(lines=lines):
                self._part(t("Plan", "方案"), lines)
            case events.Download():
                self._downloading(event)
            case events.Progress():
                self._moving(event)
            case events.Validated():
                self._line(_validation(event), style="green" if event.best else None)
            case events.Tried():
                self.end()
                self._line(_trial(event), style="green" if event.best else None)
            case events.Note(text=text):
                self._line(text, style="yellow")
            case events.Verdict(lines=lines):
                self.end()
                self._part(t("Verdict", "结论"), lines)

    def _part(self, title: str, lines: Iterable[str]) -> None:
        self._line(title, style="bold")
        for line in lines:
            self._line(f"  {line}")

    def part(self, title: str, lines: Iterable[str]) -> None:
        """A title with lines below it, which `quiet` and `as_json` leave out."""
        if not (self.quiet or self.as_json):
            self._part(title, lines)

    def next_steps(self, folder: Path, example: str, labelled: str = "") -> None:
        """The folder and the next three commands, quoted for this system's shell.

        Args:
            folder: the run.
            example: a file that `predict` can read (one of the user's own).
            labelled: a labelled file that the model was not tuned on, when there is one.
        """
        if self.quiet or self.as_json:
            return
        answers = f"{Path(example).name.split('.')[0]}-predictions.csv"
        other = labelled or t("other-labelled-rows.csv", "其他带标签的数据.csv")
        self._line(t("Folder", "目录"), style="bold")
        self._line(f"  {folder}")
        self._line(t("Next", "下一步"), style="bold")
        for command in ([program(), "predict", str(folder), example, "-o", answers],
                        [*opener(), str(folder / "report.html")],
                        [program(), "evaluate", str(folder), other]):
            self._line(f"  {quoted(command)}")

    # -- the live bar ------------------------------------------------------------------------------------------

    def _moving(self, event: events.Progress) -> None:
        text = t("loss {l:.3f} · {r:.0f} rows/s · {s} left", "损失 {l:.3f} · {r:.0f} 行/秒 · 剩余 {s}", l=event.loss,
                 r=event.rows_per_second, s=duration(event.seconds_left))
        self._advance(t("step {s}/{n}", "第 {s}/{n} 步", s=event.step, n=event.steps), event.step, event.steps, text)

    def _downloading(self, event: events.Download) -> None:
        size = f"{event.done / 1e6:.1f} / {event.total / 1e6:.1f} MB" if event.total else f"{event.done / 1e6:.1f} MB"
        self._advance(t("fetching {n}", "下载 {n}", n=event.name), event.done, event.total, size)
        if event.total and event.done >= event.total:
            self.end()

    def counting(self, rows: int, seconds: float) -> None:
        """Rows done of a stream of unknown length."""
        if not (self.quiet or self.as_json):
            self._advance(t("predicting", "预测"), rows, 0,
                          t("{n:,} rows · {r:.0f} rows/s", "{n:,} 行 · {r:.0f} 行/秒", n=rows,
                            r=rows / max(seconds, 1e-9)))

    def _advance(self, title: str, done: int, total: int, text: str) -> None:
        if not self._console.is_terminal:
            # A log file wants a sign of life now and then, not every step.
            if time.monotonic() - self._last_plain >= _PLAIN_SECONDS:
                self._last_plain = time.monotonic()
                self._line(f"{title}  {text}")
            return
        if self._bar is None:
            from rich.progress import BarColumn, Progress, TextColumn

            self._bar = Progress(TextColumn("{task.description}", markup=False), BarColumn(20),
                                 TextColumn("{task.fields[text]}", markup=False),
                                 console=self._console, transient=True)
            self._bar.add_task("", total=None, text="")
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], description=title, completed=done, total=total or None, text=text)

    def end(self) -> None:
        """Take the live bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._last_plain = time.monotonic()

    # -- results -----------------------------------------------------------------------------------------------

    def say(self, text: str, style: str | None = None) -> None:
        """A line that `quiet` and `as_json` leave out."""
        if not (self.quiet or self.as_json):
            self._line(text, style=style)

    def marked(self, parts: Sequence[tuple[bool, str]]) -> None:
        """Runs of text of which some are marked: green on a terminal, in ⟦ ⟧ elsewhere."""
        if self.quiet or self.as_json:
            return
        from rich.text import Text

        plain = not self._console.is_terminal
        line = Text("  ")
        for marked, text in parts:
            shown = text.replace("\n", "↵\n  ")
            line.append(f"⟦{shown}⟧" if marked and plain else shown, style="bold green" if marked else "dim")
        self.end()
        self._console.print(line, soft_wrap=True, highlight=False)

    def result(self, value: Mapping[str, Any], *lines: str) -> None:
        """What the command was asked for: `value` as JSON, or `lines` for a person."""
        if self.as_json:
            print_json(value)
        else:
            for line in lines:
                self._line(line)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; Chinese characters count as two columns wide. Cells wrap on a terminal only."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for name in columns:
            table.add_column(Text(name), overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        self._console.print(table)

    @property
    def _console(self) -> Console:
        if self._out is None:
            from rich.console import Console

            # Where nobody looks at a terminal nothing may be wrapped: programs read lines.
            width = None if sys.stdout.isatty() else 10_000
            self._out = Console(highlight=False, markup=False, emoji=False, width=width)
        return self._out

    def _line(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, soft_wrap=True)


# -- what has no state --------------------------------------------------------------------------------------------


def failure(error: WeitiaoError, *, as_json: bool) -> None:
    """A coded error: on standard error for a person, as `{"error": {...}}` on standard output for a program."""
    if as_json:
        print_json({"error": {**error.as_dict(), "exit_code": error.exit_code}})
        return
    code, _, rest = str(error).partition("]")
    red = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    head = f"\x1b[1;31m{code}]\x1b[0m" if red else f"{code}]"
    to_stderr(head + rest)


def to_stderr(text: str) -> None:
    """A line beside the data that goes to standard output."""
    print(text, file=sys.stderr)


def print_json(value: Any) -> None:
    """One JSON object on standard output; escaped where the output is not Unicode."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    print_text(json.dumps(value, ensure_ascii=not unicode, indent=2, allow_nan=False))


def print_text(text: str, end: str = "\n", file: TextIO | None = None) -> None:
    """Text exactly as it is: TOML, JSON."""
    print(text, end=end, file=file or sys.stdout)


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `2 h 05 min`."""
    s = round(seconds)
    if s < 60:
        return t("{s} s", "{s} 秒", s=s)
    if s < 3600:
        return t("{m} min {s:02} s", "{m} 分 {s:02} 秒", m=s // 60, s=s % 60)
    return t("{h} h {m:02} min", "{h} 小时 {m:02} 分", h=s // 3600, m=s % 3600 // 60)


def program() -> str:
    """How this program was called, so that a printed command runs when copied: `weitiao`, or the path to it."""
    called = Path(sys.argv[0])
    found = shutil.which("weitiao")
    if called.stem != "weitiao" or (found and Path(found).resolve() == called.resolve()):
        return "weitiao"
    return os.path.relpath(called) if called.is_relative_to(Path.cwd()) else str(called)


def opener() -> list[str]:
    """The words before a file's name that open it in this system's browser."""
    if sys.platform == "win32":
        return ["start", ""]
    native = "open" if sys.platform == "darwin" else "xdg-open"
    return [native] if shutil.which(native) else ["python3", "-m", "webbrowser"]


def quoted(words: Sequence[str]) -> str:
    """One command line for this system's shell."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def _stage_name(stage: str) -> str:
    names = {
        "prepare": t("Reading and checking the data …", "正在读取并检查数据……"),
        "select": t("Choosing the base model and the settings …", "正在选择基座模型与设置……"),
        "tune": t("Tuning …", "正在微调……"),
        "evaluate": t("Judging on rows that the model has not seen …", "正在用模型没见过的数据评估……"),
        "report": t("Writing the report …", "正在写报告……"),
        "search": t("Searching …", "正在搜索设置……"),
        "confirm": t("Tuning the best settings and the default with other seeds …",
                     "正在用其他随机种子重训最佳设置与默认设置……"),
    }
    return names.get(stage, stage)


def _trial(event: events.Tried) -> str:
    states = {"done": "", "pruned": t("  stopped: behind the others", "  提前停止：落后于其他试验"),
              "cut": t("  cut off: out of time", "  时间用完，中止"), "failed": t("  failed", "  失败")}
    value = "" if event.value is None else f"{event.metric} {event.value:.4f}  "
    tried = "  ".join(f"{k.rpartition('.')[2]} {v:.3g}" if isinstance(v, float) else f"{k.rpartition('.')[2]} {v}"
                      for k, v in event.settings.items())
    return t("  trial {n}  {v}{x}{b}{s}  ({t}; {l} left)", "  试验 {n}  {v}{x}{b}{s}（{t}；剩余 {l}）", n=event.number,
             v=value, x=tried or t("the default", "默认设置"), s=states[event.state],
             b=t("  best so far", "  目前最佳") if event.best else "", t=duration(event.seconds),
             l=duration(max(0.0, event.seconds_left)))


def _validation(event: events.Validated) -> str:
    numbers = "  ".join(f"{k} {v:.4f}" for k, v in event.metrics.items())
    best = t("  best so far", "  目前最佳") if event.best else ""
    return t("  step {s}/{n}  {m}{b}", "  第 {s}/{n} 步  {m}{b}", s=event.step, n=event.steps, m=numbers, b=best)
