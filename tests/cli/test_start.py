"""What is true of every command: quick help, both languages, coded errors, exit codes, output that cannot crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Started, Weitiao, error_of

HEAVY = ("torch", "transformers", "sklearn", "pyarrow", "scipy", "numpy", "rich", "peft")
CALL = "import sys; from weitiao.cli import main; code = main(sys.argv[1:])"


def run(*args: str, code: str = CALL, **env: str) -> subprocess.CompletedProcess[str]:
    """A fresh process, as a shell starts it."""
    return subprocess.run([sys.executable, "-c", f"{code}\nsys.exit(code)", *args], capture_output=True, text=True,
                          env={**os.environ, "PYTHONIOENCODING": "utf-8", **env}, encoding="utf-8", timeout=60)


@pytest.mark.parametrize("args", [["--help"], ["tune", "--help"], ["predict", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    spy = f"{CALL}\nprint(sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)"
    done = run(*args, code=spy)
    assert done.returncode == 0 and done.stderr.strip() == "[]"
    assert "weitiao" in done.stdout


def test_help_speaks_chinese_when_asked() -> None:
    assert "带标签" in run("tune", "--help", "--lang", "zh").stdout
    assert "带标签" in run("tune", "--help", WEITIAO_LANG="zh").stdout
    assert "labelled" in run("tune", "--help", "--lang=en", WEITIAO_LANG="zh").stdout


def test_no_arguments_show_the_help(weitiao: Weitiao) -> None:
    code, out, _ = weitiao()
    assert code == 0 and "tune" in out and "recipe" in out


@pytest.mark.parametrize(("args", "error", "says"), [
    (["tun"], "cli.unknown_command", "'tune'"),
    (["recipe", "nwe"], "cli.unknown_command", "'new'"),
    (["tune", "--modle", "x"], "cli.unknown_option", "'--model'"),
    (["runs", "--jsn"], "cli.unknown_option", "'--json'"),
    (["predict"], "cli.missing_argument", "RUN"),
    (["tune", "a.csv", "--model"], "cli.usage", "--model"),
    (["tune", "a.csv", "--seed", "x"], "cli.usage", "--seed"),
    (["tune", "--lang", "fr"], "cli.usage", "fr"),
    (["tune", "a.csv", "--columns", "text"], "cli.bad_pairs", "text=comment"),
])
def test_a_wrong_command_line_is_answered_with_the_right_one(weitiao: Weitiao, args: list[str], error: str,
                                                             says: str) -> None:
    code, out, err = weitiao(*args)
    assert code == 2 and out == "" and err.startswith(f"[{error}]") and says in err
    args.insert(len(args) - 1 if args[-1] == "--model" else len(args), "--json")
    code, out, err = weitiao(*args)
    assert code == 2 and err == "" and error_of(out)["code"] == error and error_of(out)["exit_code"] == 2


def test_a_group_without_its_command_lists_them(weitiao: Weitiao) -> None:
    code, _, err = weitiao("recipe")
    assert code == 2 and err.startswith("[cli.missing_command]") and "schema" in err


def test_a_file_in_the_place_of_a_command_is_answered_with_tune(weitiao: Weitiao) -> None:
    Path("reviews.csv").write_text("text,label\n")
    assert "weitiao tune reviews.csv" in weitiao("reviews.csv")[2]


def test_errors_speak_chinese(weitiao: Weitiao) -> None:
    code, _, err = weitiao("tun", "--lang", "zh")
    assert code == 2 and "没有这个命令" in err and "是不是想写" in err
    assert "缺少 RUN" in weitiao("predict", "--lang=zh")[2]


def test_a_bug_of_ours_names_the_traceback(weitiao: Weitiao, pipeline: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.fails_with = ZeroDivisionError("boom")
    code, out, _ = weitiao("tune", "reviews.csv", "--json")
    error = error_of(out)
    trace = Path(error["where"])
    assert code == 70 and error["code"] == "internal.bug" and "boom" in trace.read_text(encoding="utf-8")
    trace.unlink()
    monkeypatch.setenv("WEITIAO_TRACEBACK", "1")
    code, _, err = weitiao("tune", "reviews.csv")
    assert code == 70 and "Traceback" in err and "ZeroDivisionError" in err
    Path(err.partition("[internal.bug] ")[2].partition(": ZeroDivisionError")[0]).unlink()


def test_output_survives_an_ascii_terminal() -> None:
    done = run("tun", "--lang", "zh", PYTHONIOENCODING="ascii")
    assert done.returncode == 2 and "\\u6ca1" in done.stderr
    done = run("recipe", "check", "不存在😀.toml", "--lang", "zh", "--json", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["error"]["where"] == "不存在😀.toml"
    assert run("models", "--lang", "zh", PYTHONIOENCODING="ascii").returncode == 0


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    script = f"{sys.executable} -c '{CALL}; sys.exit(code)' recipe schema | head -c 10; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("{") and done.stderr == ""


def test_the_package_can_be_run() -> None:
    done = subprocess.run([sys.executable, "-m", "weitiao", "runs", "--no-such"], capture_output=True, text=True)
    assert done.returncode == 2 and "[cli." in done.stderr
