"""From any failure to a coded message and an exit code.

    unknown option → [cli.unknown_option] … did you mean '--model'?          exit 2
    DataError      → [data.empty_file] reviews.csv: …  to do: …              exit 3
    anything else  → [internal.bug] … the traceback is in /tmp/weitiao-….txt exit 70
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

import typer

from weitiao import screen
from weitiao._version import __version__
from weitiao.core.errors import WeitiaoError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest


class UsageError(WeitiaoError):
    """The command line itself is wrong."""

    exit_code = 2


class Bug(WeitiaoError):
    """Ours to mend."""

    exit_code = 70


def guarded(args: list[str]) -> int:
    """Parse and run `args`; every failure becomes a message. Gives the exit code."""
    screen.escape_what_cannot_be_encoded()
    as_json = "--json" in args
    try:
        from weitiao.cli.app import app

        code = int(app(args, prog_name="weitiao", standalone_mode=False) or 0)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except typer.TyperException as e:
        return _say(_usage(e), as_json)
    except WeitiaoError as e:
        return _say(e, as_json)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; the interpreter must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as e:
        if os.environ.get("WEITIAO_TRACEBACK"):
            traceback.print_exc()
        return _say(_bug(e), as_json)


def _say(error: WeitiaoError, as_json: bool) -> int:
    screen.failure(error, as_json=as_json)
    return error.exit_code


def _usage(e: typer.TyperException) -> UsageError:
    """The parser's complaint in our form. Its classes are private to typer, so they are told apart by name; one that
    is not known here keeps the parser's own English sentence."""
    facts = vars(e)
    command = facts["ctx"].command_path if facts.get("ctx") else "weitiao"
    fix = t("see: {c} --help", "参见：{c} --help", c=command)
    match type(e).__name__:
        case "NoSuchOption":
            options = [o for p in facts["ctx"].command.params for o in p.opts]
            return UsageError("cli.unknown_option",
                              t("no such option: {o}", "没有这个选项：{o}", o=facts["option_name"]), where=command,
                              fix=nearest(facts["option_name"], options) or fix)
        case "MissingParameter":
            name = facts["param"].get_error_hint().strip("'")
            return UsageError("cli.missing_argument", t("{n} is missing", "缺少 {n}", n=name), where=command, fix=fix)
        case "UsageError" if facts.get("ctx") and (known := vars(facts["ctx"].command).get("commands")):
            word = e.message.partition("'")[2].partition("'")[0]
            return _no_command(word, command, list(known), fix)
    return UsageError("cli.usage", e.format_message().replace("Value error, ", ""), where=command, fix=fix)


def _no_command(word: str, command: str, known: list[str], fix: str) -> UsageError:
    if not word:
        return UsageError("cli.missing_command", t("which one?", "缺少子命令"), where=command,
                          expected=", ".join(known), fix=fix)
    if Path(word).exists():
        fix = t("did you mean: weitiao tune {w}", "是不是想运行：weitiao tune {w}", w=word)
    return UsageError("cli.unknown_command", t("no such command: {w}", "没有这个命令：{w}", w=word), where=command,
                      expected=", ".join(known), fix=nearest(word, known) or fix)


def _bug(e: Exception) -> Bug:
    """Where the traceback lies and how to report it; the screen is spared the traceback."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="weitiao-", suffix=".txt", delete=False) as f:
        f.write(f"weitiao {__version__}\n{''.join(traceback.format_exception(e))}")
    return Bug("internal.bug", f"{type(e).__name__}: {e}", where=Path(f.name).as_posix(),
               fix=t("this is a bug in weitiao; please report it with that file (look through it first: it may quote "
                     "your data). WEITIAO_TRACEBACK=1 shows it here",
                     "这是 weitiao 的缺陷，请附上该文件反馈（先看一遍，其中可能含有您的数据）；"
                     "设置 WEITIAO_TRACEBACK=1 可直接显示"))
