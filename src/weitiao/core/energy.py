"""Energy that the processor says it has taken, in joules: Linux' powercap counters (RAPL).

>>> meter = Meter()
>>> work(); meter.joules()        # None where there are no counters, or they may not be read
38.2

Each package has /sys/class/powercap/<zone>/energy_uj, microjoules that wrap at max_energy_range_uj (kernel
documentation, power/powercap). Zones within a package (cores, memory) are parts of it and are not added. It is the
energy of the whole processor: what other programs do meanwhile is in it.
"""

from __future__ import annotations

from pathlib import Path


class Meter:
    """Counts from its making on. `root` is "/" but in tests."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._zones = [zone for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:*"))
                       if zone.name.count(":") == 1 and _number(zone / "energy_uj") is not None]
        self._last = [_number(zone / "energy_uj") or 0 for zone in self._zones]
        self._sum = 0

    def joules(self) -> float | None:
        """Since it was made. A counter that has wrapped once since the last call is understood."""
        if not self._zones:
            return None
        for i, zone in enumerate(self._zones):
            now = _number(zone / "energy_uj") or 0
            passed = now - self._last[i]
            self._sum += passed if passed >= 0 else passed + (_number(zone / "max_energy_range_uj") or 0)
            self._last[i] = now
        return self._sum / 1e6


def _number(path: Path) -> int | None:
    """None where it is not there, or is root's alone (as by default since CVE-2020-8694)."""
    try:
        return int(path.read_text())
    except OSError:
        return None
