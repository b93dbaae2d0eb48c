"""`weitiao runs`: what lies in a folder of runs, the newest first."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from weitiao.cli.options import Json, Lang, Quiet
from weitiao.core.errors import RunError
from weitiao.core.i18n import t
from weitiao.screen import Screen

STAGES = ("prepare", "select", "tune", "evaluate", "report")


@dataclass(frozen=True, slots=True)
class Line:
    """One run of the table. `state` is finished, running, stopped or damaged; `score` is the test's first metric."""

    name: str
    task: str
    base: str
    score: dict[str, Any] | None
    created: str
    state: str


def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=t(
        "The folder of runs.", "存放运行的目录。"))] = Path("runs"),
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> None:
    """One parameter a flag; see `weitiao runs --help`."""
    if not folder.is_dir() and folder != Path("runs"):
        raise RunError("run.no_folder", t("there is no such folder", "没有这个目录"), where=str(folder),
                       fix=t("a run is made by: weitiao tune reviews.csv", "用 weitiao tune 评论.csv 开始一次运行"))
    found = sorted((_line(p.parent) for p in folder.glob("*/manifest.json")), key=lambda x: x.created, reverse=True)
    screen = Screen(quiet=quiet, as_json=as_json)
    if as_json or quiet:
        screen.result({"runs": [asdict(x) for x in found]}, *(x.name for x in found))
    elif not found:
        screen.say(t("no runs in {f}", "{f} 中没有运行记录", f=folder))
    else:
        titles = (t("run", "运行"), t("task", "任务"), t("base model", "基座模型"),
                  t("test score (95 %)", "测试得分（95 %）"), t("begun", "开始于"), t("state", "状态"))
        screen.table(titles, [(x.name, x.task, x.base, _score(x.score), x.created[:16].replace("T", " "),
                               _state(x.state)) for x in found])


def _line(folder: Path) -> Line:
    """What a run's files say; one that cannot be read is listed as damaged, for its owner to see."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        recipe = tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8"))
        scores = folder / "evaluate" / "scores.json"
        score = json.loads(scores.read_text(encoding="utf-8"))["metrics"][0] if scores.is_file() else None
        return Line(str(folder), recipe["task"]["name"], recipe["model"]["name"], score, manifest["created"],
                    _progress(folder, manifest))
    except (OSError, ValueError, KeyError, IndexError):
        return Line(str(folder), "", "", None, "", "damaged")


def _progress(folder: Path, manifest: dict[str, Any]) -> str:
    if all(s in manifest["stages"] for s in STAGES):
        return "finished"
    # `.holder` is left behind by a kill; only then is the lock itself asked, which a starting process could meet.
    if not (folder / ".holder").exists():
        return "stopped"
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / ".lock", timeout=0):
            return "stopped"
    except Timeout:
        return "running"


def _score(score: dict[str, Any] | None) -> str:
    if score is None:
        return ""
    interval = "" if score["low"] is None else f" [{score['low']:.3f}, {score['high']:.3f}]"
    return f"{score['name']} {score['value']:.3f}{interval}"


def _state(state: str) -> str:
    return {"finished": t("finished", "完成"), "running": t("running", "进行中"), "stopped": t("stopped", "已中断"),
            "damaged": t("damaged", "已损坏")}[state]
