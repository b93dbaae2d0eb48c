"""`weitiao certify RUN`: what training and prediction promise, measured on a user's own model and data.

>>> lines = list(certify("runs/news-3"))
>>> lines[0].said, lines[0].measured, lines[0].tolerance, lines[0].passed
('the gradient of 16 rows: one by one (no padding), in 4 passes', 3.1e-07, 0.0001, True)

Each invariant is one file in `checks/`, found by its name: it does the same thing in two ways that must agree, with the
run's own base, recipe and rows, and measures how far they are apart. The run stays as it is, but for certificate.json,
which is written into it at the end.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from weitiao.core import files, plugins
from weitiao.core.i18n import t

if TYPE_CHECKING:
    from weitiao.certifying.case import Case

FILE = "certificate.json"


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison.

    Args:
        check: the check's name.
        said: what was compared with what, in the user's language.
        measured: how far the two are apart; 0 where bytes or answers must be equal and are.
        tolerance: up to where that is rounding.
        unit: what `measured` counts: "relative", "absolute", "answers" or "files".
    """

    check: str
    said: str
    measured: float
    tolerance: float
    unit: str

    @property
    def passed(self) -> bool:
        """Not a number never passes."""
        return not math.isnan(self.measured) and self.measured <= self.tolerance

    def as_dict(self) -> dict[str, Any]:
        """As JSON, which has no NaN."""
        measured = None if math.isnan(self.measured) else self.measured
        return {**asdict(self), "measured": measured, "passed": self.passed}


class Check(Protocol):
    """A module in certifying/checks."""

    TITLE: tuple[str, str]
    """English, Chinese."""

    def measure(self, case: Case) -> Iterator[Line]:
        """The comparisons; none where the invariant does not concern this run."""


def certify(folder: Path, *, rows: int = 64, checks: tuple[str, ...] = (),
            progress: Callable[[str], None] = lambda line: None) -> list[Line]:
    """Measure every invariant on a finished run and write certificate.json into it.

    Args:
        folder: the run's.
        rows: of each part that are used at most, drawn by the run's seed.
        checks: names; all where none is given.
        progress: hears of each check that begins.

    Raises RunError `run.missing`, `run.unfinished`; RecipeError `plugin.unknown`; what building the base raises.
    """
    from weitiao.certifying.case import Case

    modules = [load(name) for name in checks or names()]
    with tempfile.TemporaryDirectory(prefix="weitiao-") as scratch:
        case = Case.of(Path(folder), rows, Path(scratch))
        lines: list[Line] = []
        for module in modules:
            progress(t("Measuring: {x} …", "正在测量：{x}……", x=t(*module.TITLE)))
            lines += module.measure(case)
        files.write_json(case.run.folder / FILE, {"rows": rows, "machine": case.machine,
                                                  "lines": [line.as_dict() for line in lines]})
    return lines


def names() -> tuple[str, ...]:
    """All checks, sorted."""
    return plugins.names(f"{__name__}.checks")


def load(name: str) -> ModuleType:
    """The check of that name, see `Check`. Raises RecipeError `plugin.unknown`."""
    return plugins.load(f"{__name__}.checks", name)
