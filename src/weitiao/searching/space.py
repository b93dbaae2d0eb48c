"""The space: which settings of the recipe a search moves and how far, in a file that a person reads and changes.

    [tune.learning_rate]       # default 0.0002: from 5e-05 to 0.0008
    times = [0.25, 4.0]        # factors of the default; or between = [low, high]; or choices = [a, b, c]
    log = true

>>> space = Space.default(recipe, head=True)
>>> space.apply(recipe, {"tune.learning_rate": 1e-4}).tune.learning_rate
0.0001

The default must lie within its own bounds, because the search is a comparison with it. Settings that change the rows,
how they are judged or how long a trial is watched cannot move.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest
from weitiao.recipe import Recipe
from weitiao.select import spaces

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = bool | int | float | str
_SECTIONS = ("tune", "model", "method")
_FIXED = frozenset({"tune.time", "tune.device", "tune.precision", "tune.evaluate_every", "tune.save_every",
                    "tune.metric", "tune.micro_batch_size", "tune.micro_batch_tokens", "model.name", "model.hub",
                    "model.revision", "model.max_length", "method.name"})
_DIGITS = 3  # of a number that was drawn: more of them say nothing and cannot be read


class Dimension(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    times: tuple[float, float] | None = None
    """The least and the largest factor of the default."""
    between: tuple[float, float] | None = None
    """The least and the largest value."""
    choices: tuple[Value, ...] | None = None
    """All values."""
    log: bool = False
    """Draw evenly on a logarithmic scale."""

    @model_validator(mode="after")
    def _one_kind(self) -> Dimension:
        given = [x for x in (self.times, self.between, self.choices) if x is not None]
        if len(given) != 1:
            raise ValueError("exactly one of times, between, choices")
        if len(given[0]) < 2 or (self.choices is None and not given[0][0] < given[0][1]):  # type: ignore[operator]
            raise ValueError("two different values at least, the smaller one first")
        if self.log and self.choices is not None:
            raise ValueError("log goes with times and between only")
        if self.log and given[0][0] <= 0:  # type: ignore[operator]
            raise ValueError("a logarithmic scale begins above 0")
        return self

    def bounds(self, default: Any) -> tuple[float, float]:
        """Low and high as values. Whole numbers where the default is one."""
        low, high = self.between or tuple(x * default for x in self.times or ())
        if isinstance(default, int):
            return max(1, round(low)), round(high)
        return float(f"{low:.6g}"), float(f"{high:.6g}")


@dataclass(frozen=True, slots=True)
class Space:
    """Dimensions by the recipe's keys ("tune.learning_rate"), checked against the recipe by `default` and `read`."""

    dimensions: Mapping[str, Dimension]

    @classmethod
    def default(cls, recipe: Recipe, *, head: bool) -> Space:
        """The table's space for a resolved recipe; see `weitiao.select.spaces`."""
        found = cls({k: Dimension(**v) for k, v in spaces.space(recipe, head=head).items()})
        for key in found.dimensions:
            found._check(key, recipe, "space.toml")
        return found

    @classmethod
    def read(cls, path: Path, recipe: Recipe) -> Space:
        """An edited file. Raises RecipeError `search.bad_space` with file:line:setting."""
        try:
            text = path.read_text(encoding="utf-8-sig")
            tree = tomllib.loads(text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
            raise _bad(t("cannot be read: {e}", "无法读取：{e}", e=e), str(path)) from None
        found: dict[str, Dimension] = {}
        for key, values in _tables(tree):
            where = f"{path}:{_line(text, key)}:{key}"
            try:
                found[key] = Dimension.model_validate(values)
            except ValidationError as e:
                first = e.errors()[0]
                field = ".".join(map(str, first["loc"]))
                raise _bad(t("{v!r} is not accepted", "{v!r} 不可用", v=first["input"]),
                           f"{path}:{_line(text, key, field)}:{'.'.join(filter(None, (key, field)))}",
                           first["msg"].removeprefix("Value error, ")) from None
            cls(found)._check(key, recipe, where)
        if not found:
            raise _bad(t("no setting may move", "没有可变动的设置"), str(path),
                       "[tune.learning_rate]  times = [0.25, 4.0]")
        return cls(found)

    def write(self, recipe: Recipe) -> str:
        """TOML with what each setting is, its default and its range as comments."""
        lines = [t("# What the search may move. Bounds are factors of the default (times), values (between) or all",
                   "# 搜索可以变动的设置。times 为默认值的倍数，between 为取值范围，choices 为全部取值；"),
                 t("# values (choices); log draws on a logarithmic scale. Give a changed copy with --space.",
                   "# log 表示按对数尺度抽取。修改副本后用 --space 指定。")]
        for key, dimension in self.dimensions.items():
            value = lookup(recipe, key)
            shown = "" if dimension.choices else t(": from {a:g} to {b:g}", "：从 {a:g} 到 {b:g}",
                                                   **dict(zip("ab", dimension.bounds(value), strict=True)))
            lines += ["", t("# default {d}{s}", "# 默认值 {d}{s}", d=value, s=shown), f"[{key}]"]
            for name, x in dimension.model_dump(mode="json", exclude_none=True, exclude_defaults=True).items():
                lines.append(f"{name} = {json.dumps(x)}")
        return "\n".join(lines) + "\n"

    def distributions(self, recipe: Recipe) -> dict[str, BaseDistribution]:
        """As Optuna draws them."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        out: dict[str, BaseDistribution] = {}
        for key, dimension in self.dimensions.items():
            default = lookup(recipe, key)
            if dimension.choices is not None:
                out[key] = CategoricalDistribution(dimension.choices)
            elif isinstance(default, int):
                low, high = dimension.bounds(default)
                out[key] = IntDistribution(int(low), int(high), log=dimension.log)
            else:
                out[key] = FloatDistribution(*dimension.bounds(default), log=dimension.log)
        return out

    def defaults(self, recipe: Recipe) -> dict[str, Value]:
        """The point at which the recipe itself stands."""
        return {key: lookup(recipe, key) for key in self.dimensions}

    def apply(self, recipe: Recipe, values: Mapping[str, Value]) -> Recipe:
        """The recipe with drawn values in it, numbers to 3 digits. A forward pass keeps holding the whole batch where
        it did. Raises RecipeError for a value that the recipe does not accept."""
        tree: dict[str, dict[str, Any]] = {"method": dict(recipe.method)}
        for key, value in values.items():
            section, name = key.split(".", 1)
            tree.setdefault(section, {})[name] = float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
        tune = tree.get("tune", {})
        if "batch_size" in tune and recipe.tune.micro_batch_size == recipe.tune.batch_size:
            tune["micro_batch_size"] = tune["batch_size"]
        return recipe.updated(tree)

    def _check(self, key: str, recipe: Recipe, where: str) -> None:
        """Raises RecipeError `search.bad_space` unless both ends are accepted and the default lies between."""
        section, _, name = key.partition(".")
        there = {**recipe.model_dump()}.get(section)
        allowed = [f"{s}.{k}" for s in _SECTIONS for k in recipe.model_dump()[s] if f"{s}.{k}" not in _FIXED]
        if section not in _SECTIONS or not isinstance(there, dict) or key not in allowed:
            raise _bad(t("{k} cannot move", "{k} 不能变动", k=key), where, ", ".join(allowed), nearest(key, allowed))
        default, dimension = there[name], self.dimensions[key]
        if dimension.choices is not None:
            ends: tuple[Value, ...] = dimension.choices
            inside = default in ends
        elif isinstance(default, bool) or not isinstance(default, (int, float)):
            raise _bad(t("the default is {d!r}, not a number", "默认值是 {d!r}，不是数字", d=default), where,
                       f"choices = [{json.dumps(default)}, …]")
        else:
            low, high = dimension.bounds(default)
            ends, inside = (low, high), low <= default <= high
        if not inside:
            raise _bad(t("the default, {d!r}, does not lie within", "默认值 {d!r} 不在其中", d=default), where,
                       t("bounds that hold it: the search compares with it", "包含默认值的范围：搜索要与它比较"),
                       t("set another default with --set {k}=…", "可用 --set {k}=… 改变默认值", k=key))
        for end in ends:
            try:
                self.apply(recipe, {key: end})
            except RecipeError as e:
                raise _bad(e.what, where, e.expected) from None


def lookup(recipe: Recipe, key: str) -> Any:
    """The recipe's value of `section.name`."""
    section, _, name = key.partition(".")
    return recipe.model_dump()[section][name]


def _tables(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and content of the innermost tables."""
    for name, value in tree.items():
        key = f"{path}{name}"
        if isinstance(value, dict) and value and all(isinstance(v, dict) for v in value.values()):
            yield from _tables(value, f"{key}.")
        else:
            yield key, value


def _line(text: str, key: str, field: str = "") -> int:
    """Where the table `[key]`, or a field in it, stands; tomllib does not tell."""
    names = r"\s*\.\s*".join(f"[\"']?{re.escape(p)}[\"']?" for p in key.split("."))
    header = re.compile(rf"\s*\[\s*{names}\s*\]")
    inside, start = False, 1
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            inside = bool(header.match(line))
            start = number if inside else start
        elif inside and field and re.match(rf"\s*[\"']?{re.escape(field.partition('.')[0])}[\"']?\s*=", line):
            return number
    return start


def _bad(what: str, where: str, expected: str = "", fix: str = "") -> RecipeError:
    return RecipeError("search.bad_space", what, where=where, expected=expected,
                       fix=fix or t("see the space.toml of any search", "可参考任一次搜索的 space.toml"))
