"""How near are translations to their references: BLEU, chrF and TER by sacreBLEU, with intervals.

>>> corpus(["the cat sat"], [["the cat sat down"]], "bleu", "en").value
0.7165...
>>> scores(predictions, references, "zh", seed=0, resamples=2000)[0].signature
'nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:2.6.0; bca95,B=2000,seed=0'

Each row has any number of references, at least one. Values are fractions (BLEU 0.27, shown as 27.0); TER, edits over
reference words, can exceed 1. All three are formulas of sums over rows (matching and all n-grams, lengths; edits), so
sacreBLEU counts once a row, and each resample of the bootstrap is a product of its counts with those numbers. An
empty prediction matches nothing and stays in every sum.

Sources: Papineni et al. 2002 (BLEU); Popović 2015 (chrF); Snover et al. 2006 (TER); Post 2018 (sacreBLEU).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from weitiao.core.errors import DataError, MissingExtra
from weitiao.core.i18n import t
from weitiao.core.languages import primary
from weitiao.core.text import is_unspaced
from weitiao.metrics import Score, paired
from weitiao.metrics.counts import ratio
from weitiao.metrics.intervals import bca, resample, scored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Metric = Literal["bleu", "chrf", "ter"]
Tokenizer = Literal["auto", "13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "flores200"]
METRICS: tuple[Metric, ...] = ("bleu", "chrf", "ter")
References = Sequence[Sequence[str]]  # for each row one or more

_BY_LANGUAGE: dict[str, Tokenizer] = {
    "zh": "zh", "yue": "zh", "ja": "ja-mecab", "ko": "ko-mecab",
    # sacreBLEU has no words for these; their texts have no spaces.
    "th": "char", "lo": "char", "km": "char", "my": "char", "bo": "char"}
_NEEDS_SPACES = ("13a", "intl")
_ORDERS = 4
_BETA2 = 4.0  # chrF's weight of recall, beta = 2, squared


@dataclass(frozen=True, slots=True)
class Corpus:
    """What sacreBLEU counted.

    Args:
        metric: its name.
        counts: (n, m) numbers that add up over rows.
        signature: sacreBLEU's own.
    """

    metric: Metric
    counts: Array
    signature: str

    @property
    def value(self) -> float:
        """Of all rows, as a fraction."""
        return float(FORMULAS[self.metric](self.counts.sum(0)[None, :])[0])


def tokenizer(language: str, asked: Tokenizer = "auto") -> Tokenizer:
    """sacreBLEU's tokenizer for a language code: `zh`, `ja-mecab`, `ko-mecab`, else `13a`; single characters for
    other languages without spaces."""
    return _BY_LANGUAGE.get(primary(language), "13a") if asked == "auto" else asked


def corpus(predictions: Sequence[str], references: References, metric: Metric, language: str,
           asked: Tokenizer = "auto") -> Corpus:
    """Count one metric's numbers.

    Args:
        predictions: a text a row; may be empty.
        references: for each row one or more texts.
        metric: bleu, chrf or ter.
        language: code of the language that both are written in.
        asked: tokenizer of BLEU.

    Raises DataError `metric.wrong_tokenizer` for a tokenizer that splits at spaces on texts that have none (it gives
    0 to equal Chinese sentences), `metric.no_tokenizer`, and MissingExtra for a tokenizer whose library is not here.
    """
    engine = _engine(metric, tokenizer(language, asked), references)
    width = max(map(len, references), default=1)
    streams = [[row[i] if i < len(row) else None for row in references] for i in range(width)]
    found = engine._extract_corpus_statistics([_line(p) for p in predictions], streams) if predictions else []
    columns = {"bleu": 2 + 2 * _ORDERS, "chrf": 18, "ter": 2}[metric]
    return Corpus(metric, np.array(found, np.float64).reshape(len(predictions), columns), str(engine.get_signature()))


def _line(text: str) -> str:
    """sacreBLEU reads a row as one line."""
    return " ".join(text.split())


def check(references: References, language: str, asked: Tokenizer = "auto") -> None:
    """Can these references be scored? To be asked before hours of tuning. Raises as `corpus` does."""
    _engine("bleu", tokenizer(language, asked), references)


def _engine(metric: Metric, tokenize: Tokenizer, references: References) -> Any:
    from sacrebleu.metrics import BLEU, CHRF, TER

    unspaced = is_unspaced(text for row in references for text in row)
    if metric == "chrf":
        return CHRF()
    if metric == "ter":
        # Without these two a Chinese sentence is one word.
        return TER(normalized=True, asian_support=True) if unspaced else TER()
    if unspaced and tokenize in _NEEDS_SPACES:
        raise DataError("metric.wrong_tokenizer",
                        t("BLEU's tokenizer {k} splits at spaces, which these references do not have: it would give 0 "
                          "to equal sentences", "BLEU 分词器 {k} 按空格切分，而参考译文没有空格：相同的句子也会得 0 分",
                          k=tokenize), expected="zh, ja-mecab, char, flores200",
                        fix=t("name the language that the targets are written in, e.g. --target zh",
                              "请指明目标文本的语言，如 --target zh"))
    return _tokenizing(lambda: BLEU(tokenize=tokenize, force=True), tokenize)


_LIBRARIES = {"ja-mecab": ("mecab-python3", "ja"), "ko-mecab": ("mecab-ko", "ko"),
              "flores200": ("sentencepiece", "spm")}


def _tokenizing(make: Callable[[], Any], tokenize: Tokenizer) -> Any:
    """sacreBLEU says by ImportError or RuntimeError that a library is missing, by OSError that a download failed."""
    try:
        return make()
    except (ImportError, RuntimeError) as e:
        if tokenize not in _LIBRARIES:
            raise
        raise MissingExtra(*_LIBRARIES[tokenize], t("BLEU's tokenizer {k}", "BLEU 分词器 {k}", k=tokenize)) from e
    except OSError as e:
        raise DataError("metric.no_tokenizer",
                        t("sacreBLEU cannot fetch its tokenizer {k}: {e}", "sacreBLEU 无法获取分词器 {k}：{e}",
                          k=tokenize, e=str(e)),
                        fix=t("choose a tokenizer that needs no network", "请改用不需要网络的分词器")) from e


# -- formulas: (b, m) sums to (b,) values --------------------------------------------------------------------------

def _bleu(sums: Array) -> Array:
    """BP · (p₁p₂p₃p₄)^¼; the k-th precision in a row without a match is 1 / (2^k · n-grams) (NIST's smoothing)."""
    system, reference = sums[:, 0], sums[:, 1]
    match, total = sums[:, 2:2 + _ORDERS], sums[:, 2 + _ORDERS:]
    halvings = np.cumsum((match == 0) & (total > 0), axis=1)
    precision = np.where(match > 0, ratio(match, total), ratio(np.ones_like(total), 2.0**halvings * total))
    brevity = np.exp(np.minimum(0.0, 1 - ratio(reference, system)))
    defined = (match.sum(1) > 0) & (total > 0).all(1)
    mean = np.exp(np.log(np.where(defined[:, None], precision, 1.0)).mean(1))
    return np.asarray(np.where(defined, brevity * mean, 0.0), np.float64)


def _chrf(sums: Array) -> Array:
    """(1 + β²) P R / (β² P + R) of precision and recall averaged over the lengths 1 to 6 that both sides have."""
    system, reference, match = sums[:, 0::3], sums[:, 1::3], sums[:, 2::3]
    both = (system > 0) & (reference > 0)
    orders = both.sum(1)
    p = ratio((ratio(match, system) * both).sum(1), orders)
    r = ratio((ratio(match, reference) * both).sum(1), orders)
    return ratio((1 + _BETA2) * p * r, _BETA2 * p + r)


def _ter(sums: Array) -> Array:
    """Edits over reference words; 1 where there are edits and no words."""
    return np.where(sums[:, 1] > 0, ratio(sums[:, 0], sums[:, 1]), (sums[:, 0] > 0).astype(np.float64))


FORMULAS: dict[Metric, Callable[[Array], Array]] = {"bleu": _bleu, "chrf": _chrf, "ter": _ter}


# -- scores --------------------------------------------------------------------------------------------------------

def scores(predictions: Sequence[str], references: References, language: str, *, asked: Tokenizer = "auto",
           seed: int, resamples: int) -> list[Score]:
    """BLEU, chrF and TER of the whole, each with the BCa interval over rows. Raises as `corpus` does."""
    return [_score(corpus(predictions, references, m, language, asked), seed=seed, resamples=resamples)
            for m in METRICS]


def _score(got: Corpus, *, seed: int, resamples: int) -> Score:
    formula = FORMULAS[got.metric]
    drawn = resample(lambda counts: formula(counts @ got.counts)[:, None], np.ones(len(got.counts), np.int64),
                     resamples=resamples, seed=seed)
    return scored(got.metric, got.value, bca(drawn)[0], drawn.rows, got.signature)


def compare(first: Sequence[str], second: Sequence[str], references: References, language: str, *,
            metric: Metric = "bleu", asked: Tokenizer = "auto", seed: int, resamples: int) -> paired.Paired:
    """First minus second on the same resamples. Raises as `corpus` does."""
    a, b = (corpus(x, references, metric, language, asked) for x in (first, second))
    return paired.of_sums(metric, FORMULAS[metric], a.counts, b.counts, resamples=resamples, seed=seed)


def per_row(predictions: Sequence[str], references: References, language: str) -> Array:
    """(n,) chrF of each row by itself, 0 to 1: BLEU says little of a single sentence (it wants runs of four words)."""
    return _chrf(corpus(predictions, references, "chrf", language).counts)
