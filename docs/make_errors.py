"""Writes docs/errors.md from the source: every error code with its class, exit code and messages.

    python docs/make_errors.py          # tests/contract/test_docs.py fails while the page is not current
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from weitiao.cli import guard
from weitiao.core import errors

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
_CODE = re.compile(r"[a-z]+\.[a-z_0-9]+")
_CLASSES = {name: value for module in (errors, guard) for name, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, Exception)}
_HEAD = """# Error codes

Made from the source by `docs/make_errors.py`; do not edit.

Every error that you can act on has a code. It stays the same from version to version and in both languages, so scripts
can match on it: with `--json` the error is an object with `code`, `what`, `expected`, `fix` and `where`, and the exit
status of the command is the number given below. Codes that begin with `row.` do not stop a run: they stand beside each
rejected row in `prepare/rejected.jsonl`.

每个可处理的错误都有一个代码，跨版本、跨语言保持不变，脚本可据此判断。以 `row.` 开头的代码不会中断运行，
只会写在 `prepare/rejected.jsonl` 中相应的行旁。
"""


@dataclass(frozen=True, order=True)
class Found:
    """One place in the source that raises a code."""

    code: str
    kind: str
    en: str
    zh: str


def find(source: str) -> Iterator[Found]:
    """The errors of a file: an error class, or a helper, called with a literal code and a message after it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            kind = node.func.id if isinstance(node.func, ast.Name) else ""
            for code, what in pairwise(node.args):
                if _is_code(code) and (kind in _CLASSES or _messages(what) != ("", "")):
                    yield Found(ast.literal_eval(code), kind, *_messages(what))
    yield from _missing_extra(source)


def _is_code(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_CODE.fullmatch(node.value))


def _missing_extra(source: str) -> Iterator[Found]:
    if "class MissingExtra" in source:
        yield Found("install.missing_extra", "MissingExtra", "{w} needs the library {l}", "{w} 需要安装 {l}")


def _messages(node: ast.expr) -> tuple[str, str]:
    """Both languages of `t("en", "zh", …)`; of anything else its source."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "t":
        texts = [ast.literal_eval(a) for a in node.args[:2] if isinstance(a, ast.Constant)]
        if len(texts) == 2:
            return texts[0], texts[1]
    return "", ""


def page() -> str:
    """The whole page."""
    found = defaultdict(set)
    for path in sorted((ROOT / "src").rglob("*.py")):
        for item in find(path.read_text(encoding="utf-8")):
            found[item.code].add(item)
    areas = defaultdict(list)
    for code in sorted(found):
        areas[code.partition(".")[0]].append(code)
    out = [_HEAD]
    for area, codes in areas.items():
        out.append(f"\n## {area}\n\n| code | exit | says | 说明 |\n|---|--:|---|---|")
        exits = {_CLASSES[i.kind].exit_code for code in codes for i in found[code]
                 if hasattr(_CLASSES.get(i.kind), "exit_code")}
        status = str(exits.pop()) if len(exits) == 1 else ""
        out += [_line(code, sorted(found[code]), status) for code in codes]
    return "\n".join(out) + "\n"


def _line(code: str, items: list[Found], area_exit: str) -> str:
    """One row of the table. A code raised through a helper has the exit code of its area."""
    exits = {str(_CLASSES[i.kind].exit_code) for i in items if hasattr(_CLASSES.get(i.kind), "exit_code")}
    en = "<br>".join(dict.fromkeys(_cell(i.en) for i in items if i.en))
    zh = "<br>".join(dict.fromkeys(_cell(i.zh) for i in items if i.zh))
    return f"| `{code}` | {', '.join(sorted(exits)) or area_exit or '–'} | {en} | {zh} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
