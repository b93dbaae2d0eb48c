"""The screen on a terminal: a live bar that is gone at the end, and lines that copy well."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from weitiao import events, screen
from weitiao.core import i18n


def on_a_terminal(code: str) -> str:
    """What a terminal of 80 columns receives from a fresh process."""
    import pty
    import subprocess

    main, other = pty.openpty()
    done = subprocess.Popen([sys.executable, "-c", code], stdout=other, stderr=other,
                            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "WEITIAO_LANG": "zh",
                                 "PYTHONIOENCODING": "utf-8"})
    os.close(other)
    received = b""
    try:
        while part := os.read(main, 65536):
            received += part
    except OSError:  # Linux says EIO when the other end is closed
        pass
    os.close(main)
    assert done.wait(timeout=30) == 0, received.decode()
    return received.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_a_terminal_gets_a_live_bar_with_rate_and_time_left() -> None:
    text = on_a_terminal(
        "from weitiao import events; from weitiao.screen import Screen\n"
        "with Screen() as s:\n"
        "    for i in range(1, 4):\n"
        "        s.show(events.Progress(i, 3, 0.5, 1e-4, 85.0, 125.0))\n"
        "    s.show(events.Validated(3, 3, {'accuracy': 0.9}, True))\n"
        "    s.show(events.Verdict(('结论很好',), 'runs/a'))\n")
    assert "85 行/秒" in text and "2 分 05 秒" in text and "accuracy 0.9000" in text and "结论很好" in text
    assert "\x1b[2K" in text and text.index("第 3/3 步") < text.index("结论很好")


def test_elsewhere_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str],
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100_000, 7))
    monkeypatch.setattr(screen.time, "monotonic", lambda: next(clock))
    shown = screen.Screen()
    for i in range(100):
        shown.show(events.Progress(i, 100, 0.5, 1e-4, 85.0, 10.0))
    lines = capsys.readouterr().out.splitlines()
    assert 10 < len(lines) < 40 and all("85 rows/s" in x for x in lines)


def test_long_lines_and_brackets_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    text = "很长 [bold]的[/bold] :smile: " * 50
    screen.Screen().show(events.Note(text))
    assert capsys.readouterr().out == text + "\n"


def test_tables_count_chinese_as_two_columns(capsys: pytest.CaptureFixture[str]) -> None:
    screen.Screen().table(("名称", "x"), [("很好吃", "1"), ("abc", "2")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].index("1") + 3 == lines[2].index("2")  # three characters that are two columns wide


def test_durations() -> None:
    assert [screen.duration(s) for s in (0.4, 59.4, 200, 7500)] == ["0 s", "59 s", "3 min 20 s", "2 h 05 min"]
    i18n.use("zh")
    assert screen.duration(7500) == "2 小时 05 分"


def test_the_program_is_named_as_it_was_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inside = tmp_path / "my venv" / "bin" / "weitiao"
    inside.parent.mkdir(parents=True)
    inside.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(inside)])
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    assert screen.program() == str(Path("my venv", "bin", "weitiao"))
    assert shlex.split(screen.quoted([screen.program(), "runs"])) == ["my venv/bin/weitiao", "runs"]
    monkeypatch.setenv("PATH", str(inside.parent))
    assert screen.program() == "weitiao"
