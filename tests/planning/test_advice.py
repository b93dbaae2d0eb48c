"""From scores and prices to a recommendation, and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from weitiao.core import i18n
from weitiao.planning import telling
from weitiao.planning.advice import TUNING_ADDS, advise, leader, order


def price(seconds: float, unfit: str = "", method: str = "full") -> dict[str, Any]:
    return {"method": method, "seconds": seconds, "memory_gb": 1.6, "disk_gb": 0.5, "unfit": unfit}


def plan(scores: dict[str, float], prices: dict[str, list[dict[str, Any]]], half: float = 0.02,
         metric: str = "accuracy", *, pairs: bool = False) -> dict[str, Any]:
    """A plan of so many candidates; those without a price are rungs. `half` is that of every paired interval."""
    def pair(a: str, b: str) -> dict[str, Any]:
        d = scores[a] - scores[b]
        return {"metric": metric, "difference": d, "low": d - half, "high": d + half, "p": 0.5 if abs(d) < half else 0.01}

    result: dict[str, Any] = {
        "metric": metric, "folds": 3, "pairs": pairs, "rows": 3000, "sample": 2000, "usual": [], "curve": None,
        "candidates": [{"name": x, "rung": x not in prices, "unfit": "", "parameters": 10, "seconds": 3.0,
                        "score": {"name": metric, "value": v, "low": v - half, "high": v + half}, "logme": None,
                        "prices": prices.get(x, []), "behind": "",
                        "against": {y: pair(x, y) for y in scores if y != x}} for x, v in scores.items()]}
    result["advice"] = advise(result)
    return result


BASES = {"e5-small": [price(240.0)], "minilm": [price(60.0)]}


def test_the_best_base_is_taken() -> None:
    got = plan({"tfidf": 0.80, "e5-small": 0.90, "minilm": 0.82}, BASES)
    assert (got["advice"]["model"], got["advice"]["method"], got["advice"]["judge"]) == ("e5-small", "full", "e5-small")
    assert telling.advice(got) == ("take e5-small, full: its frozen features beat TF-IDF by 10.0 ± 2.0 points; "
                                   "about 4.0 min and 1.6 GB of memory here")
    i18n.use("zh")
    assert "采用 e5-small" in telling.advice(got) and "10.0 ± 2.0 个百分点" in telling.advice(got)


def test_of_two_that_nothing_tells_apart_the_cheaper_one_is_taken() -> None:
    got = plan({"tfidf": 0.80, "e5-small": 0.90, "minilm": 0.895}, BASES)
    assert got["advice"]["model"] == "minilm" and "not established to be better" in telling.advice(got)
    assert plan({"e5-small": 0.90, "minilm": 0.88}, BASES, half=0.1)["advice"]["model"] == "e5-small"  # two points
    assert plan({"e5-small": 0.90, "minilm": 0.895}, BASES, half=0.001)["advice"]["model"] == "e5-small"  # established


def test_what_is_clearly_behind_is_not_priced() -> None:
    """In the order of their scores: the first that fits stands for all that are more than a point behind it."""
    none: dict[str, list[dict[str, Any]]] = {"big": [], "e5-small": [], "minilm": [], "slow": []}
    got = plan({"tfidf": 0.95, "minilm": 0.82, "big": 0.93, "e5-small": 0.90, "slow": 0.895}, none)
    by_name = {x["name"]: x for x in got["candidates"]}
    assert [x["name"] for x in order(got)] == ["big", "e5-small", "slow", "minilm"]
    assert not any(leader(got, x) for x in order(got))  # nothing is known to fit yet
    by_name["big"]["prices"] = [price(9.0, "2 GB free")]
    assert leader(got, by_name["e5-small"]) == ""
    by_name["e5-small"]["prices"] = [price(240.0)]
    assert [leader(got, x) for x in order(got)] == ["", "", "", "e5-small"]  # "slow" may cost less
    by_name["minilm"]["behind"] = "e5-small"
    assert telling.costs(got)[1][-1] == [
        "minilm", "–", "–", "–", "–",
        "not priced: frozen it is behind e5-small by 8.0 ± 2.0 points (--model minilm prices it all the same)"]


def test_less_is_better_where_it_is() -> None:
    got = plan({"big": 0.9, "small": 1.3}, {"big": [price(9.0)], "small": [price(1.0)]}, metric="bits_per_byte")
    assert got["advice"]["model"] == "big"


def test_what_does_not_fit_gives_way_to_the_nearest_that_does() -> None:
    got = plan({"tfidf": 0.8, "e5-small": 0.9}, {"e5-small": [price(9.0, "2 GB free"), price(5.0, method="lora")]})
    assert got["advice"]["method"] == "lora"
    none = [price(9.0, "2 GB free"), price(5.0, "2 GB free", "lora")]
    got = plan({"tfidf": 0.7, "e5-small": 0.9, "minilm": 0.8}, {"e5-small": none, "minilm": [price(60.0)]})
    assert got["advice"]["model"] == "minilm"
    got = plan({"tfidf": 0.7, "e5-small": 0.9}, {"e5-small": none})
    assert got["advice"]["outcome"] == "rung" and telling.advice(got).startswith("TF-IDF is the honest answer: no base")
    assert "does not fit: 2 GB free" in telling.costs(got)[1][0]


def test_a_rung_far_ahead_is_the_answer() -> None:
    got = plan({"tfidf": 0.95, "minilm": 0.95 - TUNING_ADDS - 0.01}, {"minilm": [price(60.0)]})
    assert (got["advice"]["outcome"], got["advice"]["model"]) == ("rung", "tfidf")
    assert "ahead of the best frozen base, minilm" in telling.advice(got)
    near = plan({"tfidf": 0.92, "minilm": 0.90}, {"minilm": [price(60.0)]}, half=0.01)
    assert near["advice"]["outcome"] == "base" and "which tuning may or may not make up" in telling.advice(near)


def test_of_pairs_a_rung_far_ahead_of_frozen_features_is_no_answer() -> None:
    """Of stsb TF-IDF is 37 points ahead of the best frozen base, and 11 behind it when it is tuned."""
    got = plan({"tfidf": 0.66, "e5-small": 0.29}, {"e5-small": [price(60.0)]}, pairs=True)
    assert got["advice"]["model"] == "e5-small" and "may or may not make up" in telling.advice(got)
    got["kind"] = "sequence"
    assert any("of pairs" in line for line in telling.notes(got))
    got["pairs"] = False
    assert not any("of pairs" in line for line in telling.notes(got))


def test_nothing_at_all() -> None:
    got = plan({}, {})
    assert got["advice"]["outcome"] == "none" and "--model" in telling.advice(got)


@pytest.mark.parametrize("enough", [20_000, None])
def test_what_more_labels_buy_is_said_with_what_judged_it(enough: int | None) -> None:
    got = plan({"tfidf": 0.80, "e5-small": 0.90}, BASES)
    got["curve"] = {"judge": "e5-small", "step": 1000, "least": 0.003, "enough": enough,
                    "gain": {"value": 0.018, "low": 0.011, "high": 0.022}}
    first, second = telling.curve(got)
    assert first == ("1,000 more labels are expected to buy 1.8 ± 0.7 points (judged by a linear model on frozen "
                     "e5-small on 2,000 of 3,000 training rows, not by tuning)")
    assert ("less than 0.3 points after 20,000 rows" in second) == (enough is not None)
