"""Splits: shares, labels, clusters, groups, time; the same for every row order."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao.core.errors import DataError
from weitiao.example import Example
from weitiao.prepare.comparing import key
from weitiao.prepare.dividing import divide, moment, strata_of

SHARES = {"test": 0.2, "validation": 0.1}


def example(i: int, text: str, label: object = "a", **meta: str) -> Example:
    return Example(str(i), {"text": text}, label, f"f:{i}", meta)


def cut(examples: list[Example], shares: dict[str, float] | None = None, *, seed: int = 1, group: str = "",
        time: str = "") -> dict[str, str]:
    """Id to part."""
    names = ["\x1f".join(e.target) if isinstance(e.target, list) else str(e.target) for e in examples]
    parts = divide(examples, [key(e) for e in examples], strata_of(names), shares or SHARES, seed=seed,
                   group=group, time=time)
    return {e.id: p for e, p in zip(examples, parts, strict=True)}


def test_shares_and_labels() -> None:
    examples = [example(i, f"text {i}", "ab"[i % 10 == 0]) for i in range(1000)]
    parts = cut(examples)
    assert Counter(parts.values()) == {"train": 720, "validation": 80, "test": 200}
    labels = Counter((p, examples[int(i)].target) for i, p in parts.items())
    assert labels["test", "b"] == 20 and labels["validation", "b"] == 8


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abc")), min_size=6, max_size=80), st.randoms())
def test_clusters_stay_whole_whatever_the_order(rows: list[tuple[int, str]], rng: random.Random) -> None:
    examples = [example(i, f"Text no {n}{'!' * (i % 3)}", label) for i, (n, label) in enumerate(rows)]
    try:
        parts = cut(examples)
    except DataError as e:
        assert e.code == "data.too_few_rows"
        return
    assert len({(key(e), parts[e.id]) for e in examples}) == len({key(e) for e in examples})
    shuffled = rng.sample(examples, len(examples))
    assert cut(shuffled) == parts
    assert {"train", "test", "validation"} == set(parts.values())


def test_every_class_has_rows_to_learn_from() -> None:
    """A class of one row stays in train, of two has one in test, of three one everywhere."""
    examples = [example(i, f"text {i}", "big") for i in range(200)]
    for size in (1, 2, 3, 4):
        examples += [example(200 + 10 * size + j, f"{size} {j}", f"size{size}") for j in range(size)]
    parts = cut(examples)
    counts = Counter((e.target, parts[e.id]) for e in examples)
    assert [counts["size1", p] for p in ("train", "test", "validation")] == [1, 0, 0]
    assert [counts["size2", p] for p in ("train", "test", "validation")] == [1, 1, 0]
    assert [counts["size3", p] for p in ("train", "test", "validation")] == [1, 1, 1]
    assert counts["size4", "train"] == 2


def test_ten_rows_of_each_of_many_classes() -> None:
    examples = [example(i, f"text {i}", f"c{i % 77}") for i in range(770)]
    parts = cut(examples)
    counts = Counter((examples[int(i)].target, p) for i, p in parts.items())
    assert all(counts[f"c{c}", "test"] == 2 and counts[f"c{c}", "validation"] == 1 for c in range(77))


def test_hundreds_of_rare_label_sets() -> None:
    rng = random.Random(1)
    names = [f"l{i}" for i in range(28)]
    examples = [example(i, f"text {i}", sorted(rng.sample(names, rng.choice([1, 1, 2, 3])))) for i in range(2000)]
    counts = Counter(cut(examples).values())
    assert 380 <= counts["test"] <= 420 and 144 <= counts["validation"] <= 176


def test_groups_stay_whole() -> None:
    examples = [example(i, f"text {i // 2}", "ab"[i % 2], user=f"u{i % 50}") for i in range(400)]
    parts = cut(examples, group="user")
    assert len({(e.meta["user"], parts[e.id]) for e in examples}) == 50
    assert Counter(parts.values())["test"] == pytest.approx(80, abs=16)


def test_groups_joined_by_equal_texts() -> None:
    """A text that two groups share ties them together."""
    examples = [example(0, "same", user="a"), example(1, "Same!", user="b"), example(2, "x", user="b"),
                example(3, "y", user="a"), *(example(i, f"t{i}", user=f"c{i}") for i in range(4, 30))]
    for seed in range(5):
        assert len({cut(examples, group="user", seed=seed)[str(i)] for i in range(4)}) == 1


def test_time_goes_from_old_to_new() -> None:
    examples = [example(i, f"text {i}", "ab"[i % 2], day=f"2024-{1 + i // 28:02}-{1 + i % 28:02}") for i in range(300)]
    random.Random(1).shuffle(examples)
    parts = cut(examples, time="day")
    spans = {p: sorted(e.meta["day"] for e in examples if parts[e.id] == p) for p in ("train", "validation", "test")}
    assert [len(s) for s in spans.values()] == [216, 24, 60]
    assert spans["train"][-1] < spans["validation"][0] and spans["validation"][-1] < spans["test"][0]


@pytest.mark.parametrize(("older", "newer"), [
    ("3", "20"), ("2024-3-5", "2024-03-06"), ("2024/3/5 9:05", "2024/03/05 17:20"), ("2024年3月5日", "2024.03.06"),
    ("2024-03-05T10:00:00+08:00", "2024-03-05T03:00:00+00:00"), ("-1.5", "1e3"),
])
def test_moments(older: str, newer: str) -> None:
    a, b = moment(older), moment(newer)
    assert a is not None and b is not None and a < b


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "2024-02-30", "inf", "nan", "12:30"])
def test_no_moments(text: str) -> None:
    assert moment(text) is None


def test_dates_and_numbers_do_not_mix() -> None:
    examples = [example(i, f"t{i}", day="2024-01-01" if i % 2 else "17") for i in range(20)]
    with pytest.raises(DataError, match=r"data\.mixed_time"):
        cut(examples, time="day")


def test_too_few_rows() -> None:
    for rows in (["a", "b", "c"], ["a", "b"], ["a"]):
        with pytest.raises(DataError, match=r"data\.too_few_rows"):
            cut([example(i, f"t{i}", label) for i, label in enumerate(rows)])
    with pytest.raises(DataError, match=r"data\.too_few_rows"):
        cut([example(i, "same", "a") for i in range(50)])


def test_one_large_cluster_does_not_overshoot() -> None:
    examples = [example(i, "the same spam", "a") for i in range(90)] + [example(i, f"t{i}", "a") for i in range(90, 190)]
    for seed in range(8):
        parts = cut(examples, seed=seed)
        assert parts["0"] == "train" and Counter(parts.values())["test"] == 38
