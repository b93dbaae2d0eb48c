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
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
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
        """Make the directory. Raises RunError `run.exists` when it holds anything already."""
        run = cls(folder)
        if run.folder.exists() and (not run.folder.is_dir() or any(run.folder.iterdir())):
            raise RunError(
                "run.exists",
                t("this folder is not empty", "该目录不是空的"),
                where=str(folder),
                fix=t("choose another --out, or continue a run with: weitiao tune --resume {f}",
                      "请换一个 --out；如要继续已有的运行：weitiao tune --resume {f}", f=folder),
            )
        manifest = {"weitiao": __version__, "created": datetime.now(UTC).isoformat(timespec="seconds"),
                    "recipe": recipe_hash, "machine": machine(), "stages": {}, **facts}
        try:
            files.write_text(run.folder / "recipe.toml", recipe)
            files.write_json(run.folder / "manifest.json", manifest)
        except RunError:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
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
        made = self.folder / ("report.html" if stage == "report" else stage)  # the report has no folder
        return self.manifest["stages"].get(stage, {}).get("key") == key and made.exists()

    def finish(self, stage: str, key: str, seconds: float) -> None:
        """Record that a stage ended well: for which input, how long it took, which files it left."""
        digests = {p.name: files.sha256(p) for p in sorted((self.folder / stage).glob("*")) if p.is_file()}
        stages = {**self.manifest["stages"],
                  stage: {"key": key, "seconds": round(seconds, 2), "files": digests}}
        self.note(stages=stages)

    @contextmanager
    def stage(self, name: str) -> Iterator[Path]:
        """The stage's folder, whole or not at all. (tune writes its checkpoints itself: it must survive a kill.)"""
        with files.new_folder(self.folder / name) as tmp:
            yield tmp

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Only one process works on a run. Raises RunError `run.locked` with the holder's process id.

        A lock of the operating system: it dies with its process, so a killed run is never stuck.
        """
        from filelock import FileLock, Timeout

        holder, lock = self.folder / ".holder", FileLock(self.folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as e:
            who = holder.read_text() if holder.exists() else "?"
            raise RunError("run.locked", t("process {p} is working on this run", "进程 {p} 正在使用该运行目录", p=who),
                           where=str(self.folder), fix=t("wait for it or stop it", "请等待或先停止它")) from e
        except OSError as e:
            raise files.write_failed(self.folder, e) from e
        try:
            files.write_text(holder, str(os.getpid()))
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def sweep(self) -> None:
        """Clear up after a killed worker. Only under the lock."""
        files.sweep(self.folder)
        for folder in [path for path in self.folder.iterdir() if path.is_dir()]:
            files.sweep(folder)


def machine() -> dict[str, Any]:
    """Versions and hardware that a result depends on."""
    from importlib.metadata import PackageNotFoundError, version

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
