"""The check itself: read the rows, let every section look at them, write what was found.

    recipe  →  report.json  findings.jsonl  plan.toml  page.html  review.csv

>>> check(recipe, Path("checkup"), Wanted.of(["labels"], {"labels": {"rare": 20}}, tokenizer=False), print).verdict
'look'
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from weitiao import doctor
from weitiao.core import files
from weitiao.core.errors import RecipeError, RunError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest
from weitiao.doctor import Checkup, Finding, Looked, Seen, Spot, page, planning, reviewing
from weitiao.doctor.seeing import see
from weitiao.recipe import Recipe

REPORT, FINDINGS, PAGE, PLAN = "report.json", "findings.jsonl", "page.html", "plan.toml"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sections with which options, and whether a tokenizer is used."""

    sections: Mapping[str, BaseModel]
    tokenizer: bool

    @classmethod
    def of(cls, sections: Sequence[str], thresholds: Mapping[str, Mapping[str, Any]], tokenizer: bool) -> Wanted:
        """All sections where none is named. Raises RecipeError `plugin.unknown`, `check.bad_threshold`."""
        chosen = tuple(sections) or doctor.names()
        for name in thresholds:
            doctor.load(name)
        return cls({name: _options(name, thresholds.get(name, {})) for name in chosen}, tokenizer)


def _options(name: str, values: Mapping[str, Any]) -> BaseModel:
    model: type[BaseModel] = doctor.load(name).Options
    try:
        return model(**values)
    except ValidationError as e:
        first = e.errors()[0]
        key = ".".join(map(str, first["loc"]))
        known = list(model.model_fields)
        raise RecipeError("check.bad_threshold", t("{n}.{k}: {m}", "{n}.{k}：{m}", n=name, k=key, m=first["msg"]),
                          where="--threshold", expected=", ".join(f"{name}.{k}" for k in known),
                          fix=nearest(key, known)) from None


def check(recipe: Recipe, out: Path | None, wanted: Wanted, progress: Callable[[str], None]) -> Checkup:
    """See `weitiao.doctor.check`."""
    if out is None:
        with tempfile.TemporaryDirectory(prefix="weitiao-check-") as temporary:
            return _look(recipe, Path(temporary), lambda code, spot: None, wanted, progress)
    _ours(out)
    with files.new_folder(out) as folder, files.passing(folder / ".rows") as scratch:
        with _listening(folder / FINDINGS) as write, reviewing.writing(folder / reviewing.REVIEW) as note:
            def listener(code: str, spot: Spot) -> None:
                write(code, spot)
                note(spot)

            found = _look(recipe, scratch, listener, wanted, progress)
        files.write_json(folder / REPORT, found.as_dict())
        files.write_text(folder / PLAN, planning.proposed(found))
        files.write_text(folder / PAGE, page.render(found, recipe))
    return Checkup(found.task, found.reason, found.rows, found.base, found.sections, out)


def _ours(out: Path) -> None:
    """What lies in the folder is replaced: it must be ours."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / FINDINGS).is_file())):
        raise RunError("run.exists", t("this folder holds other files", "该目录中有其他文件"), where=str(out),
                       fix=t("choose another --out", "请换一个 --out"))


@contextmanager
def _listening(path: Path) -> Iterator[Callable[[str, Spot], None]]:
    """Writes every spot as a line of JSON."""
    with path.open("w", encoding="utf-8", errors="backslashreplace") as out:
        def listen(code: str, spot: Spot) -> None:
            out.write(json.dumps({"code": code, **asdict(spot)}, ensure_ascii=False) + "\n")

        yield listen


def _look(recipe: Recipe, scratch: Path, listener: Callable[[str, Spot], None], wanted: Wanted,
          progress: Callable[[str], None]) -> Checkup:
    progress(t("Reading …", "正在读取……"))
    seen, understood = see(recipe, scratch, listener, tokenizer=wanted.tokenizer)
    looked = [_section(name, seen, options, progress) for name, options in wanted.sections.items()]
    looked.sort(key=lambda s: (-doctor.VERDICTS.index(s.verdict), s.name))
    return Checkup(seen.name, understood.choice.reason, {part: seen.count(part) for part in seen.parts},
                   seen.reader.base.name if seen.reader else "", {s.name: s for s in looked})


def _section(name: str, seen: Seen, options: BaseModel, progress: Callable[[str], None]) -> Looked:
    module = doctor.load(name)
    title = t(*module.TITLE)
    progress(t("Looking at: {x} …", "正在检查：{x}……", x=title))
    findings: tuple[Finding, ...] = tuple(module.look(seen, options))
    return Looked(name, title, doctor.worst(f.verdict for f in findings), findings)
