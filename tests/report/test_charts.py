"""Charts are well-formed, put values where they belong, and never let a text become markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from weitiao.report import charts
from weitiao.report.charts import Bar, Line


def _parse(chart: object) -> ET.Element:
    return ET.fromstring(str(chart))


@pytest.mark.parametrize(("low", "high", "expected"), [
    (0.77, 0.92, [0.8, 0.85, 0.9]), (0, 100, [0, 20, 40, 60, 80, 100]), (-3.2, 3.2, [-2, 0, 2]),
    (5, 5, [5])])
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float]) -> None:
    assert charts.ticks(low, high) == expected


def test_the_better_score_stands_further_right() -> None:
    chart = _parse(charts.intervals([Bar("a", 0.9, 0.88, 0.92, "90 %", "", main=True), Bar("b", 0.8, None, None, "80 %", "")],
                                    "{:.2f}".format))
    ours, theirs = (float(c.attrib["cx"]) for c in chart.iter("circle"))
    assert ours > theirs
    whiskers = [line for line in chart.iter("line") if "whisker" in line.attrib["class"]]
    assert len(whiskers) == 1
    assert float(whiskers[0].attrib["x1"]) < ours < float(whiskers[0].attrib["x2"])


def test_equal_scores_and_one_point_need_no_room() -> None:
    _parse(charts.intervals([Bar("a", 1.0, 1.0, 1.0, "1", "")], "{:.2f}".format))
    _parse(charts.curves([Line("x", "train", [(1.0, 0.5)])], 1.0))
    _parse(charts.scatter([(2.0, 2.0)], "x", "y"))
    _parse(charts.histogram([0.0, 0.0], "x"))


def test_names_are_escaped() -> None:
    evil = '<script>alert("x")</script>'
    for chart in (charts.intervals([Bar(evil, 0.5, 0.4, 0.6, evil, evil)], "{:.2f}".format),
                  charts.curves([Line(evil, "train", [(0, 1), (1, 0)])], 1, best_name=evil, x_name=evil),
                  charts.scatter([(0, 1)], evil, evil), charts.histogram([1.0], evil)):
        assert "<script" not in str(chart)
        assert not list(_parse(chart).iter("script"))


def test_histogram_counts_everything() -> None:
    chart = _parse(charts.histogram([-2.0, -0.1, 0.1, 2.0], "x", bins=4))
    assert [int(r[0].text or "") for r in chart.iter("rect")] == [1, 1, 1, 1]


def test_smoothing_keeps_the_mean_and_the_ends_in_order() -> None:
    points = [(float(i), float(i % 2)) for i in range(1000)]
    got = charts.smooth(points, 100)
    assert len(got) == 100
    assert all(b == pytest.approx(0.5) for _, b in got)
    assert [a for a, _ in got] == sorted(a for a, _ in got)
    assert charts.smooth(points[:50], 100) == points[:50]


def test_shortening_counts_chinese_twice() -> None:
    assert charts.shorten("abcdef", 6) == "abcdef"
    assert charts.shorten("中文标签", 6) == "中文…"
