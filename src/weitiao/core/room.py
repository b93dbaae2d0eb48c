"""What this process may still have: memory below every limit that holds for it, and disk.

>>> memory()
Room(bytes=17609007104, source="the machine's free memory")
>>> disk(Path("runs"))
Room(bytes=48318382080, source='/home/me')

Linux counts; elsewhere nothing is known (None) and nothing can be refused. `root` is "/" but in tests.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from weitiao.core.i18n import t

_GROUPS = Path("sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes beside those that the process holds already, and what sets the limit."""

    bytes: int
    source: str


def memory(root: Path = Path("/")) -> Room | None:
    """The least of: free memory (MemAvailable of /proc/meminfo: what can be had without swapping); the limits of the
    control groups above the process, of version 2 (memory.max) and 1 (memory.limit_in_bytes), less what they use
    without the file cache that can be dropped; `ulimit -v` less the address space in use."""
    found = [room for room in (_free(root), *_groups(root), _address_space(root)) if room]
    return min(found, key=lambda room: room.bytes) if found else None


def disk(folder: Path) -> Room:
    """Free bytes where a folder lies or will lie."""
    there = next(p for p in (folder.resolve(), *folder.resolve().parents) if p.is_dir())
    return Room(shutil.disk_usage(there).free, str(there))


def _free(root: Path) -> Room | None:
    kilobytes = _field(root / "proc/meminfo", "MemAvailable:")
    if kilobytes is None:
        return None
    return Room(kilobytes * 1024, t("the machine's free memory", "本机可用内存"))


def _groups(root: Path) -> list[Room]:
    """Of each control group above the process. A line of /proc/self/cgroup is `number:controllers:path`; version 2 has
    the number 0 and no controllers (cgroups(7)). In a container the path may be that outside: then its root counts."""
    listed = root / "proc/self/cgroup"
    found = []
    for line in listed.read_text().splitlines() if listed.is_file() else ():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            found += _above(root / _GROUPS, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            found += _above(root / _GROUPS / "memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes",
                            "total_inactive_file")
    return found


def _above(top: Path, path: str, limit: str, used: str, cache: str) -> list[Room]:
    here = top / path.lstrip("/")
    folders = [p for p in (here, *here.parents) if p == top or p.is_relative_to(top)]
    found = []
    for folder in folders:
        if (folder / limit).is_file() and (most := (folder / limit).read_text().strip()) != "max":
            free = int(most) - int((folder / used).read_text()) + (_field(folder / "memory.stat", cache) or 0)
            found.append(Room(max(0, free), t("the limit of its control group ({f})", "控制组的上限（{f}）",
                                              f=folder / limit)))
    return found


def _address_space(root: Path) -> Room | None:
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = _field(root / "proc/self/status", "VmSize:")
    if limit == resource.RLIM_INFINITY or used is None:
        return None
    return Room(max(0, limit - used * 1024), "ulimit -v")


def _field(path: Path, key: str) -> int | None:
    """The number behind a word at the beginning of a line."""
    if not path.is_file():
        return None
    return next((int(line.split()[1]) for line in path.read_text().splitlines() if line.split()[:1] == [key]), None)
