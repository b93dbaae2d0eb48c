"""The section leaks: each kind planted is found, and clean rows of the same make raise no alarm."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doctor_case import checked, found, places, the

from weitiao.doctor.sections._columns import predictors, runs
from weitiao.doctor.sections._marks import marks

ONLY: Any = {"sections": ("leaks",)}
_WORDS = ["amber", "birch", "cobalt", "drift", "ember", "fjord", "gravel", "harbor", "indigo", "juniper", "kettle", "lantern", "marble", "nectar", "orchid", "pepper", "quartz", "ribbon", "saffron", "timber", "umber", "velvet", "willow", "yarrow", "zephyr"]


def rows(n: int = 600, seed: int = 1) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [{"text": " ".join(rng.sample(_WORDS, 8)), "label": rng.choice(("good", "bad", "dull")),
             "no": rng.randrange(10**6)} for _ in range(n)]


def test_clean_rows_raise_no_alarm(tmp_path: Path) -> None:
    got = checked(tmp_path, rows(), test=rows(100, 2), **ONLY)
    assert [f.code for f in got.sections["leaks"].findings if f.verdict != "good"] == []


@pytest.mark.parametrize(("sign", "verdict"), [
    (lambda text: "[POS] " + text, "stop"), (lambda text: text + " ;", "stop"), (lambda text: text.replace(" ", " ~ ", 1), "stop"),
    (lambda text: text + " marvellous", "look"), (lambda text: text + "!!", "stop")])
def test_signs(tmp_path: Path, sign: Callable[[str], str], verdict: str) -> None:
    data = [{**r, "text": sign(r["text"]) if r["label"] == "good" and i % 5 else r["text"]} for i, r in enumerate(rows())]
    got = checked(tmp_path, data, **ONLY)
    finding = the(got, "leaks.sign")
    assert finding.verdict == verdict and finding.facts["label"] == "good"
    assert all(data[line - 1]["label"] == "good" for line in places(finding))


def test_a_rare_sign_and_a_shared_one_are_none() -> None:
    data = rows()
    texts = [r["text"] + (" [X]" if i % 2 else "") for i, r in enumerate(data)]
    labels = [r["label"] for r in data]
    assert marks(texts, labels, 0.2) == []
    assert marks([t + "?" * (i < 3) for i, t in enumerate(texts)], labels, 0.2) == []


def test_chinese_pairs_of_characters() -> None:
    rng = random.Random(3)
    texts = ["".join(rng.choices("的一是在不了有和人这中大为上个国我以要他", k=12)) for _ in range(400)]
    labels = ["正" if i % 2 else "负" for i in range(400)]
    assert marks(texts, labels, 0.2) == []
    (mark, *_) = marks([t + "转发" if i % 2 else t for i, t in enumerate(texts)], labels, 0.2)
    assert (mark.label, mark.with_label, mark.rows, mark.kind) == ("正", 200, 200, "word") and "转发" in mark.sign


def test_label_names_in_the_texts(tmp_path: Path) -> None:
    data = [{**r, "text": f"{r['text']} this is {r['label']}"} for r in rows()]
    assert the(checked(tmp_path, data, **ONLY), "leaks.name").count == 3
    assert found(checked(tmp_path, rows(), **ONLY), "leaks.name") is None


def test_columns_that_know_the_label(tmp_path: Path) -> None:
    data = rows()
    for i, row in enumerate(sorted(data, key=lambda r: r["label"])):
        row["number"] = 5000 + 7 * i
        row["key"] = f"{row['label'][0]}-{i % 97:04}x{i}"
    facts = [f.facts for f in checked(tmp_path, data, **ONLY).sections["leaks"].findings if f.code == "leaks.column"]
    assert {f["column"]: f["why"] for f in facts} == {"number": "order", "key": "prefix"}


def test_a_column_of_different_values_predicts_nothing() -> None:
    labels = ["a", "b"] * 200
    assert predictors({"id": [f"u{i * 7919 % 4001}" for i in range(400)]}, labels) == []
    assert predictors({"same": ["x"] * 400}, labels) == []


def test_rows_in_the_order_of_their_labels(tmp_path: Path) -> None:
    data = sorted(rows(), key=lambda r: r["label"])
    order = the(checked(tmp_path, data, **ONLY), "leaks.order")
    assert order.verdict == "look" and order.facts["same"] > 0.99
    assert runs(["a", "a", "b", "b"]) == (4, 2 / 3, 0.5) and runs(["a"]) == (1, 0.0, 0.0)


def test_users_and_times_on_both_sides(tmp_path: Path) -> None:
    train, test = rows(), rows(100, 2)
    for i, row in enumerate([*train, *test]):
        row["user"] = f"u{i % 50}" if i < 650 else f"v{i % 10}"
        row["day"] = f"2024-{1 + i // 60:02}-{1 + i % 28:02}"
    got = checked(tmp_path, train, test=test, **ONLY)
    group = the(got, "leaks.group")
    assert (group.verdict, group.count, group.of) == ("look", 50, 100)
    time = the(got, "leaks.time")
    assert (time.verdict, time.count) == ("good", 0)
    for row in train[:60]:
        row["day"] = "2025-06-01"
    late = the(checked(tmp_path, train, test=test, **ONLY), "leaks.time")
    assert (late.verdict, late.count) == ("look", 60) and places(late) == list(range(1, 21))


def test_columns_to_split_by_are_suggested(tmp_path: Path) -> None:
    data = rows()
    for i, row in enumerate(data):
        row["user"], row["day"] = f"u{i % 50}", f"2024-03-{1 + i % 28:02}"
    got = checked(tmp_path, data, **ONLY)
    assert "data.group=user" in the(got, "leaks.group").do and "data.time=day" in the(got, "leaks.time").do


def test_targets_in_their_input(tmp_path: Path) -> None:
    data = [{"prompt": f"{r['text']} and so on", "completion": r["text"].upper() if i % 4 == 0 else f"about {i} {r['label']}"}
            for i, r in enumerate(rows(200))]
    copied = the(checked(tmp_path, data, **ONLY), "leaks.target_in_input")
    assert (copied.verdict, copied.count) == ("look", 50) and places(copied)[:2] == [1, 5]


def test_questions_of_a_benchmark(tmp_path: Path) -> None:
    data = rows()
    questions = [r["text"] for r in rows(50, 2)]
    bench = tmp_path / "bench.jsonl"
    bench.write_text("".join(json.dumps({"question": q, "answer": "x"}) + "\n" for q in [*questions, data[8]["text"].title()]))
    leak = the(checked(tmp_path, data, thresholds={"leaks": {"against": str(bench)}}, **ONLY), "leaks.benchmark")
    assert (leak.verdict, leak.count, places(leak)) == ("stop", 1, [9]) and leak.spots[0].note.endswith("bench.jsonl:51")


def test_a_word_behind_a_space_is_a_word(tmp_path: Path) -> None:
    """Of "… 坏" the space says nothing: a text that ends in a word of its label is no planted sign."""
    draw = random.Random(2)
    data = [{"text": f"{' '.join(draw.choices(['the', 'movie', 'food', '的'], k=5))} {word}", "label": label}
            for _ in range(60) for word, label in (("good", "pos"), ("坏", "neg"))]
    got = checked(tmp_path, data, sections=["leaks"])
    assert {f.verdict for f in got.sections["leaks"].findings if f.code == "leaks.sign"} == {"look"}


def test_a_usual_beginning_with_a_mark_stops_nothing(tmp_path: Path) -> None:
    """As in real dialogues: a quarter of one label's texts begins with 知道《, and no other one's."""
    draw = random.Random(4)
    data = [{"text": ("知道《" if y == "music" and draw.random() < 0.3 else draw.choice("你我他她它") + "说《")
             + "".join(draw.choices("天地玄黄宇宙洪荒日月盈昃", k=6)) + "》吗？", "label": y}
            for _ in range(130) for y in ("music", "film", "travel")]
    got = checked(tmp_path, data, sections=["leaks"])
    assert {f.verdict for f in got.sections["leaks"].findings if f.code == "leaks.sign"} == {"good"}
