"""plan.toml: what to do about the findings, as actions that a person reads, changes and gives to `--fix`.

    # duplicates.exact: 43 of 5,749 (0.75 %) rows repeat …
    # drop = ["duplicates.exact"]

>>> Plan.parse('drop = ["duplicates.exact"]\\nrepair = ["zero_width"]\\n[rename]\\n"体育 " = "体育"\\n').repair
('zero_width',)
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from weitiao.core import odd
from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest
from weitiao.doctor import Checkup, Finding


def _kind(name: str) -> str:
    if name not in odd.KINDS:
        raise ValueError(f"{name!r} is none of {', '.join(odd.KINDS)}. {nearest(name, list(odd.KINDS))}")
    return name


class Plan(BaseModel):
    """What `weitiao check --fix` does: rows are dropped, of the others texts are repaired, labels put right and
    renamed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    repair: tuple[Annotated[str, AfterValidator(_kind)], ...] = ()
    """Kinds of odd characters that are taken out of or put right in every text."""
    drop: tuple[str, ...] = ()
    """Codes of findings: each row that such a finding names is left out."""
    review: tuple[str, ...] = ()
    """Files like review.csv in which a person has decided about rows, beside the plan or with their path."""
    # Last: in TOML everything behind a table's head belongs to the table.
    rename: dict[str, str] = Field(default_factory=dict)
    """Label to the name that it gets."""
    relabel: dict[str, str] = Field(default_factory=dict)
    """Row, as `file:line`, to the label that it gets (before `rename`); several with ` | ` between them."""

    @classmethod
    def read(cls, path: Path) -> Plan:
        """From a file. Raises RecipeError `recipe.unreadable`, `check.bad_plan`."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as e:
            raise RecipeError("recipe.unreadable", t("cannot be read: {e}", "无法读取：{e}", e=e),
                              where=str(path)) from None
        plan = cls.parse(text, str(path))
        return plan.model_copy(update={"review": tuple(str(path.parent / name) for name in plan.review)})

    @classmethod
    def parse(cls, text: str, where: str = "") -> Plan:
        """From TOML. Raises RecipeError `check.bad_plan`."""
        try:
            return cls(**tomllib.loads(text))
        except tomllib.TOMLDecodeError as e:
            what = str(e)
        except ValidationError as e:
            what = "; ".join(f"{'.'.join(map(str, x['loc']))}: {x['msg']}" for x in e.errors())
        raise RecipeError("check.bad_plan", t("not a plan: {e}", "不是合法的方案：{e}", e=what), where=where,
                          expected=", ".join(cls.model_fields),
                          fix=t("weitiao check … --out DIR writes one to begin with",
                                "weitiao check … --out 目录 会生成可供修改的方案"))


def proposed(found: Checkup) -> str:
    """A plan of which every line is a comment: whoever wants an action takes the # away."""
    lines = [t("# What `weitiao check DATA --fix plan.toml --out DIR` can do. Take the # from the lines that you want.",
               "# weitiao check 数据 --fix plan.toml --out 目录 会执行的操作。去掉所需行首的 # 即可。")]
    proposals = [f for section in found.sections.values() for f in section.findings if f.fix]
    for key in Plan.model_fields:
        lines += _lines(key, [f for f in proposals if key in f.fix])
    return "\n".join(lines) + "\n"


def _lines(key: str, findings: list[Finding]) -> Iterator[str]:
    """The findings as comments above their action."""
    if not findings:
        return
    yield ""
    for finding in findings:
        yield f"# {finding.code}: {finding.said}".replace("\n", " ")
    for line in tomli_w.dumps({key: _merged([f.fix[key] for f in findings])}).splitlines():
        yield f"# {line}" if line else ""


def _merged(values: list[Any]) -> Any:
    if isinstance(values[0], Mapping):
        return {k: v for value in values for k, v in value.items()}
    return list(dict.fromkeys(x for value in values for x in value))
