"""A Run: one directory with a manifest and a folder per stage; every write is atomic.

>>> run = Run.create(Path("runs/news"), recipe_text, recipe_hash)
>>> with run.stage("prepare", key="…") as folder:   # appears as runs/news/prepare when the block ends well
...     ...
>>> run.done("prepare", key="…")
True
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from weitiao._version import __version__
from weitiao.core import files
from weitiao.core.errors import RunError
from weitiao.core.i18n import t

STAGES = ("prepare", "select", "tune", "evaluate", "report")
_LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scikit-learn", "peft")


class Run:
    """A run directory. `folder` holds recipe.toml, manifest.json and one folder per stage."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @classmethod
    def create(cls, folder: Path, recipe: str, recipe_hash: str, facts: dict[str, Any]) -> Run:
        """Make the directory. Raises RunError `run.exists` when it holds a run already."""
        run = cls(folder)
        if (run.folder / "manifest.json").exists():
            raise RunError(
                "run.exists",
                t("this folder already holds a run", "该目录已有一次运行"),
                where=str(folder),
                fix=t("choose another --out, or continue it with: weitiao tune --resume {f}",
                      "请换一个 --out，或继续它：weitiao tune --resume {f}", f=folder),
            )
        files.write_text(run.folder / "recipe.toml", recipe)
        files.write_json(run.folder / "manifest.json", {
            "weitiao": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "recipe": recipe_hash,
            "machine": machine(),
            "stages": {},
            **facts,
        })
        return run

    @classmethod
    def open(cls, folder: Path) -> Run:
        """An existing run. Raises RunError `run.missing`."""
        run = cls(folder)
        if not (run.folder / "manifest.json").is_file():
            raise RunError("run.missing", t("there is no run here", "这里没有运行记录"), where=str(folder),
                           fix=t("see all with: weitiao runs", "查看全部：weitiao runs"))
        return run

    @property
    def manifest(self) -> dict[str, Any]:
        value: dict[str, Any] = files.read_json(self.folder / "manifest.json")
        return value

    def note(self, **facts: Any) -> None:
        """Add facts to the manifest."""
        files.write_json(self.folder / "manifest.json", {**self.manifest, **facts})

    def done(self, stage: str, key: str) -> bool:
        """Has this stage ended well for exactly this input?"""
        return self.manifest["stages"].get(stage, {}).get("key") == key and (self.folder / stage).is_dir()

    def finish(self, stage: str, key: str, seconds: float) -> None:
        """Record that a stage ended well."""
        stages = {**self.manifest["stages"], stage: {"key": key, "seconds": round(seconds, 2)}}
        self.note(stages=stages)

    @contextmanager
    def stage(self, name: str) -> Iterator[Path]:
        """The stage's folder, whole or not at all. (tune writes its checkpoints itself: it must survive a kill.)"""
        with files.new_folder(self.folder / name) as tmp:
            yield tmp

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Only one process works on a run. Raises RunError `run.locked` with the holder's process id.

        An advisory lock of the operating system: it dies with its process, so a killed run is never stuck.
        """
        import fcntl

        path = self.folder / ".lock"
        with path.open("a+") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as e:
                f.seek(0)
                raise RunError(
                    "run.locked",
                    t("process {p} is working on this run", "进程 {p} 正在使用该运行目录", p=f.read().strip() or "?"),
                    where=str(self.folder), fix=t("wait for it or stop it", "请等待或先停止它")) from e
            f.truncate(0)
            f.write(str(os.getpid()))
            f.flush()
            yield


def machine() -> dict[str, Any]:
    """Versions and hardware that a result depends on."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    facts: dict[str, Any] = {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "processor": processor(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "libraries": libraries,
    }
    if torch := sys.modules.get("torch"):  # only when something imported it: the manifest must not cost 6 s
        facts["threads"] = torch.get_num_threads()
        facts["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
    return facts


def processor() -> str:
    """The CPU's model name."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
