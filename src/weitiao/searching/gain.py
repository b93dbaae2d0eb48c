"""Is the best recipe of a search better than the default? The gain over several seeds, with an interval that is honest.

>>> gain(metric, default, best)          # lists of Judged, one a seed, the same seeds in both
Gain(value=0.012, low=0.003, high=0.021, p=0.02, seeds=5, rows=1000, ...)

Two things make a measured gain a matter of luck: which rows were judged, and what the seed drew. A test over rows alone
(pooled over the seeds) holds three runs for the truth about a recipe; one over the seeds' differences alone holds these
rows for all rows there are. So both variances are counted, those of crossed random effects (rows × seeds):

    d(s) = metric of the best − metric of the default, seed s;   d̄ = mean over S seeds;   d(s, −g) = without group g
    V_rows  = (G − 1)/G · Σ_g (d̄(−g) − mean)²            delete-a-group jackknife of d̄ over G groups of rows
    V_seeds = Σ_s (d(s) − d̄)² / (S (S − 1))
    V_both  = (mean_s V_rows(s) − V_rows) / (S − 1)      what a row does with one seed only: it stands in both of these
    V       = V_rows + V_seeds − V_both, and never less than either of the two alone

and d̄ ± t · √V with Satterthwaite's degrees of freedom. Groups hold whole units (equal texts, one passage), and the
jackknife takes any metric, F1 and correlations too, where a test over rows would need a mean over rows.

Sources: Cameron, Gelbach & Miller 2011, "Robust Inference With Multiway Clustering"; Kott 2001, "The Delete-a-Group
Jackknife"; Satterthwaite 1946. Seeds matter: Dodge et al. 2020, arXiv:2002.06305.

Simulated (60 rows, 1,500 comparisons a setting; docs/log.md): 94 to 97 % of the intervals hold the truth, but where the
luck of a seed is a third of that of a row (a gain that swings by 10 points from seed to seed) only 88 % with two seeds,
90 % with three, 93 % with five.

The seeds are others than that of the search, so the luck of its seed is not counted again. The rows are the same: a
search over many trials fits them a little, which no test on them can see. The test rows, read once at the end, do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weitiao.core.i18n import language
from weitiao.metrics import LOWER_IS_BETTER, naming
from weitiao.searching.trial import Judged

LEVEL = 0.05
LEAST = 2  # seeds: from one nothing can be said about seeds


@dataclass(frozen=True, slots=True)
class Gain:
    """What the best recipe has more than the default; negative where it has less.

    Args:
        metric: in its own unit; counted so that more is better, whatever the metric.
        value, low, high: mean over the seeds with its 95 % interval.
        p: two-sided, of no gain.
        seeds, rows: how many.
        default, best: means of the metric.
    """

    metric: str
    value: float
    low: float
    high: float
    p: float
    seeds: int
    rows: int
    default: float
    best: float

    @property
    def established(self) -> bool:
        """Better, by interval and test (which agree)?"""
        return self.p < LEVEL and self.low > 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def gain(metric: str, default: Sequence[Judged], best: Sequence[Judged]) -> Gain:
    """The gain with both sources of chance; see above. At least `LEAST` seeds, each with at least two groups."""
    from scipy.stats import t

    sign = -1 if metric in LOWER_IS_BETTER else 1
    d = sign * np.asarray([b.value - a.value for a, b in zip(default, best, strict=True)])
    left_out = sign * np.asarray([np.subtract(b.without, a.without) for a, b in zip(default, best, strict=True)])
    seeds, groups = left_out.shape
    mean = float(d.mean())
    rows = _jackknife(left_out.mean(0))
    by_seed = float(((d - mean) ** 2).sum() / (seeds * (seeds - 1)))
    both = max(0.0, (float(np.mean([_jackknife(x) for x in left_out])) - rows) / (seeds - 1))
    variance = max(rows, by_seed, rows + by_seed - both)
    freedom = (rows + by_seed) ** 2 / (rows**2 / (groups - 1) + by_seed**2 / (seeds - 1)) if variance > 0 else 1.0
    half = float(t.ppf(1 - LEVEL / 2, freedom)) * math.sqrt(variance)
    p = float(2 * t.sf(abs(mean) / math.sqrt(variance), freedom)) if variance > 0 else float(mean == 0)
    return Gain(metric, mean, mean - half, mean + half, p, seeds, default[0].rows,
                float(np.mean([x.value for x in default])), float(np.mean([x.value for x in best])))


def _jackknife(values: NDArray[np.float64]) -> float:
    """(G − 1)/G · Σ (x − mean)² of values that each leave one of G groups out."""
    return float((len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum())


# -- in words ---------------------------------------------------------------------------------------------------------


def sentence(found: Gain | None, why: str, *, folded: bool) -> dict[str, str]:
    """`{"en", "zh", "outcome"}`: take (the best recipe), or keep (the default), in one sentence.

    Args:
        found: None where nothing was compared; then `why` says so: see `confirm.Confirmed`.
    """
    if found is None:
        en, zh = {"default": ("no trial was better than the default: keep it",
                              "没有任何试验优于默认设置：保持默认设置"),
                  "time": ("the time did not suffice to confirm the best trial with other seeds: keep the default",
                           "时间不足，未能用其他随机种子确认最佳试验：保持默认设置"),
                  "rows": ("all judged rows belong together, so nothing can be said of others: keep the default",
                           "评估数据全属同一组，无法推及其他数据：保持默认设置")}[why]
        return {"outcome": "keep", "en": en, "zh": zh}
    size = naming.bare(found.metric, found.value, sign=True)
    half = naming.bare(found.metric, (found.high - found.low) / 2)
    unit = (" points", " 个百分点") if naming.kind(found.metric) == "share" else \
        tuple(f" {name}" for name in naming.both(found.metric))
    rows = ("training rows in folds", "条训练数据（交叉验证）") if folded else ("validation rows", "条验证数据")
    p = "p<0.001" if found.p < 0.001 else f"p={found.p:.3f}"
    en = f"the search gained {size} ± {half}{unit[0]} on {found.rows:,} {rows[0]}, {found.seeds} seeds ({p})"
    zh = f"在 {found.rows:,} {rows[1]}、{found.seeds} 个随机种子上，搜索带来 {size} ± {half}{unit[1]}（{p}）"
    if found.established:
        return {"outcome": "take", "en": f"{en}: take it", "zh": f"{zh}：采用"}
    return {"outcome": "keep", "en": f"{en}: keep the default", "zh": f"{zh}：保持默认设置"}


def spoken(verdict: dict[str, str]) -> str:
    """The sentence in the user's language."""
    return verdict[language()]
