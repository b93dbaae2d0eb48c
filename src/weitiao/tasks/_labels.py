"""Labels as people write them, read as names.

>>> label_name(1.0, "stars"), label_name(" good ", "label"), label_name(True, "spam")
('1', 'good', 'true')
>>> label_names("joy|pride", "|", "labels"), label_names("['joy']", ",", "labels")
(('joy', 'pride'), ('joy',))
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from weitiao.core.errors import RowError
from weitiao.core.i18n import t
from weitiao.tasks._shared import is_missing

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


def label_name(value: Any, field: str) -> str:
    """One label as a name. Raises RowError `row.no_label`, `row.many_labels`, `row.bad_label`."""
    if isinstance(value, (list, tuple)):
        raise RowError("row.many_labels", field,
                       t("a list where one label is needed (several a row: --set task.multi_label=true)",
                         "此处应为单个标签，得到列表（多标签请加 --set task.multi_label=true）"))
    if isinstance(value, dict):
        raise RowError("row.bad_label", field, t("an object is not a label", "对象不能作为标签"))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isinf(value):
        raise RowError("row.bad_label", field, t("infinity is not a label", "无穷大不能作为标签"))
    name = "" if is_missing(value) else str(value).strip()
    if not name or name.casefold() == "nan":
        raise RowError("row.no_label", field, t("the label is empty or NaN", "标签为空或 NaN"))
    whole = _WHOLE.fullmatch(name)
    return whole[1] if whole else name


def label_names(value: Any, separator: str, field: str) -> tuple[str, ...]:
    """Several labels: a list, a list written as text (`["a", "b"]`), or names with `separator` between them.

    `[]` means that no label applies; an empty cell is refused, since it may as well mean "not labelled".
    """
    if isinstance(value, str) and value.strip().startswith("[") and value.strip().endswith("]"):
        value = _written_list(value.strip(), field)
    if isinstance(value, (list, tuple)):
        parts: Sequence[Any] = value
    elif isinstance(value, str) and separator and not is_missing(value):
        parts = [p for p in value.split(separator) if p.strip()]
    else:
        parts = [value]
    return tuple(dict.fromkeys(label_name(p, field) for p in parts))


def _written_list(text: str, field: str) -> list[Any]:
    """A list as JSON or as Python prints it (what pandas writes into a csv)."""
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, list):
            return value
    raise RowError("row.bad_label", field, t("cannot be read as a list of labels: {x}", "无法读作标签列表：{x}",
                                             x=text[:60]))


def in_order(names: Iterable[str]) -> list[str]:
    """By number where all names are numbers, else by code point.

    >>> in_order(["10", "9"]), in_order(["10", "9", "x"])
    (['9', '10'], ['10', '9', 'x'])
    """
    given = sorted(names)
    return sorted(given, key=float) if all(map(_NUMBER.fullmatch, given)) else given
