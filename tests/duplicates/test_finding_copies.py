"""Equal and nearly equal rows: all of them, no others, in whatever order, however many share a bucket."""

from __future__ import annotations

import random
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from planted import chinese, edited, english, levenshtein

from weitiao.duplicates import Found, Texts, copies, find


def found(rows: Sequence[str], edits: float = 0.1) -> Found:
    with Texts() as texts:
        texts.add([(row,) for row in rows])
        return find(texts, edits)


def groups(rows: Sequence[str], edits: float = 0.1) -> set[frozenset[str]]:
    return {frozenset(rows[i] for i in g) for g in found(rows, edits).members()}


def test_equal_when_folded() -> None:
    rows = ["How do I reset my PIN?", "how do i reset my pin", "ＨＯＷ do I  reset my PIN！", "Hello!", "hello", "!!!", "!!!"]
    assert found(rows).first.tolist() == [0, 0, 0, 3, 3, 5, 5]
    assert found(rows, 0).cluster.tolist() == [0, 0, 0, 3, 3, 5, 5]


def test_no_rows_and_empty_rows() -> None:
    assert found([]).members() == []
    assert found(["", "", "a"]).first.tolist() == [0, 0, 2]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("length", [10, 14, 19, 20, 25, 39, 48, 60, 100, 300, 1000])
def test_copies_with_a_tenth_of_edits_are_found(language: str, length: int) -> None:
    rng = random.Random(length)
    texts = [(chinese(rng, length) if language == "zh" else english(rng, length // 5))[:length] for _ in range(400)]
    planted = [edited(text, len(text) // 10, rng) for text in texts]
    clusters = found([*texts, *planted]).cluster
    hits = sum(clusters[i] == clusters[400 + i] for i in range(400))
    assert hits >= 0.95 * 400, hits
    if length < 20:  # one edit: every pair meets, by construction of the keys
        assert hits == 400


def test_nothing_else_is_found() -> None:
    """Against a reference that compares each pair by the textbook's distance on the folded texts."""
    rng = random.Random(3)
    texts = [english(rng, 5) for _ in range(60)] + [chinese(rng, 12) for _ in range(60)]
    rows = texts + [edited(text, rng.randrange(4), rng) for text in texts]
    clusters = found(rows).cluster
    near = defaultdict(set)
    for i, a in enumerate(rows):
        for j, b in enumerate(rows[:i]):
            fold = [[c for c in unicodedata.normalize("NFKC", x).casefold() if c.isalnum()] for x in (a, b)]
            if levenshtein(*fold) <= max(len(a), len(b)) // 10:
                near[i].add(j)
    for i, others in near.items():
        assert all(clusters[i] == clusters[j] for j in others)
    for members in found(rows).members():
        linked = {int(members[0])}
        while more := {int(i) for i in members if i not in linked and (near[i] & linked or any(
                i in near[j] for j in linked))}:
            linked |= more
        assert linked == set(members.tolist())


def test_one_word_for_another_is_no_copy() -> None:
    assert groups(["What does the name CPR really stand for?", "What does the name NASA really stand for?"]) == set()
    slip = {"What does the name NASA really stand for?", "What does teh name NASA realy stand for?"}
    assert groups(sorted(slip)) == {frozenset(slip)}


def test_other_numbers_are_no_copy() -> None:
    assert groups(["Please set an alarm for 6 tomorrow", "Please set an alarm for 17 tomorrow"]) == set()
    slip = {"Please set an alarm for 6 tomorrow", "Plase set an alarm for 7 tomorow"}
    assert groups(sorted(slip)) == {frozenset(slip)}


def test_a_drawing_is_no_licence_to_differ() -> None:
    assert groups(["Thank you " + "⣿" * 500, "I like cats", "Who are you?"]) == set()


def test_each_field_must_be_near() -> None:
    passage = english(random.Random(1), 200)
    with Texts() as texts:
        texts.add([(passage, "Who paid?"), (passage, "Who left?"), (passage[:-20] + "x" + passage[-20:], "Who paid?")])
        assert find(texts).cluster.tolist() == [0, 1, 0]


def test_the_order_of_rows_does_not_matter() -> None:
    rng = random.Random(5)
    texts = [f"Please set the alarm of room {i % 40} to {english(rng, 3)}" for i in range(300)]
    rows = texts + [edited(text, rng.randrange(5), rng) for text in texts]
    assert groups(rng.sample(rows, len(rows))) == groups(rows)


def test_work_in_a_large_bucket_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """All texts share a long head: each band may pair a text with 32 others, and four more times in divided buckets."""
    from weitiao.duplicates._verify import Verifier

    pairs = 0
    real = Verifier.among

    def counted(self: Verifier, numbers: np.ndarray) -> Callable[[np.ndarray, np.ndarray], None]:
        take = real(self, numbers)

        def count(a: np.ndarray, b: np.ndarray) -> None:
            nonlocal pairs
            pairs += len(a)
            take(a, b)

        return count

    monkeypatch.setattr(Verifier, "among", counted)
    rng = random.Random(7)
    head = "Dear customer service, I am writing to you because of the following: "
    rows = [head + english(rng, 8) for _ in range(2000)]
    result = found([*rows, edited(rows[17], 8, rng)])
    assert result.limited > 0
    assert result.cluster[2000] == result.cluster[17]
    assert pairs < 2000 * 32 * 32 * 5


def test_copies_names_the_nearest_row() -> None:
    rows = ["Please cancel my booking for tonight", "Please cancel my bookings for tonight", "Good morning",
            "please cancel my booking for tonight!", "Please cancel my bookimg for tonight", "something else here"]
    with Texts() as texts:
        texts.add([(row,) for row in rows])
        result = find(texts)
        train = np.array([True, True, True, False, False, False])
        assert copies(texts, result, ~train, train) == {3: 0, 4: 0}
