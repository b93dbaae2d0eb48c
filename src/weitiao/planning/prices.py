"""What tuning a base with a method would cost here, each pair in a process of its own.

>>> price(run, recipe, "e5-small", "lora")
Price(method='lora', seconds=93.0, memory_gb=1.2, disk_gb=0.5, unfit='')

A child process, because memory that one candidate took is not given back for the next to be measured in, and because
one that does not fit the machine may take its process along.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weitiao.core import i18n
from weitiao.core.children import fate
from weitiao.core.errors import WeitiaoError
from weitiao.core.i18n import t
from weitiao.models import Base
from weitiao.recipe import Recipe
from weitiao.run import Run

_LONGEST = 900  # seconds that a child may take
_KILLED = -9


@dataclass(frozen=True, slots=True)
class Price:
    """A method with its price.

    Args:
        method: its name.
        seconds: of the whole run, as `tuning.costs` measures it.
        memory_gb: peak of the process.
        disk_gb: largest at any time, checkpoints included.
        unfit: why this base and method do not go together or do not fit, "" where they do.
    """

    method: str
    seconds: float = 0.0
    memory_gb: float = 0.0
    disk_gb: float = 0.0
    unfit: str = ""


def methods(base: Base, kind: str) -> tuple[str, ...]:
    """The methods that are worth comparing, the dearest first.

    Args:
        kind: `HeadSpec.kind` of the task.
    """
    if kind == "language" and base.kind == "encoder":
        return ("full",)  # half of such a translator is new
    return ("full", "lora") if kind in ("language", "corpus") else ("full", "lora", "head")


def price(run: Run, recipe: Recipe, base: str, method: str, memory: float | None) -> Price:
    """What it costs to tune that base with that method on the run's prepared rows.

    Args:
        memory: GB that are free, None where that is not known.
    """
    wanted = recipe.updated({"model": {"name": base}, "method": {"name": method}})
    order = json.dumps({"folder": str(run.folder), "recipe": wanted.to_toml(), "language": i18n.language()})
    try:
        done = subprocess.run([sys.executable, "-m", __name__], input=order, capture_output=True,  # noqa: S603
                              encoding="utf-8", timeout=_LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return Price(method, unfit=t("its first steps took longer than {m} min", "最初几步已超过 {m} 分钟",
                                     m=_LONGEST // 60))
    if done.returncode == _KILLED:
        return Price(method, unfit=t("it does not fit into memory: the process was killed", "内存不足：进程被终止"))
    if done.returncode:
        return Price(method, unfit=fate(done.returncode, done.stderr))
    found = Price(method, **json.loads(done.stdout.strip().rpartition("\n")[2]))
    if memory is not None and found.memory_gb > memory:
        return Price(method, found.seconds, found.memory_gb, found.disk_gb,
                     t("{f:.1f} GB of memory are free", "空闲内存只有 {f:.1f} GB", f=memory))
    return found


def main() -> None:
    """The child: an order on standard input, the price as JSON on the last line of standard output."""
    order = json.loads(sys.stdin.read())
    i18n.use(order["language"])
    try:
        found: dict[str, Any] = _measured(Run(Path(order["folder"])), Recipe.parse(order["recipe"]))
    except WeitiaoError as e:
        found = {"unfit": e.what + (f" ({e.fix})" if e.fix else "")}
    sys.stdout.write("\n" + json.dumps(found) + "\n")


def _measured(run: Run, recipe: Recipe) -> dict[str, float]:
    from weitiao import select, splits
    from weitiao.tuning import costs

    resolved = select.select(recipe, run)
    _, task = splits.load_task(run)
    cost = costs.price(resolved, task, {part: splits.load(run, part) for part in splits.PARTS})
    return {"seconds": cost.total, "memory_gb": cost.memory_gb, "disk_gb": cost.disk_gb}


if __name__ == "__main__":
    main()
