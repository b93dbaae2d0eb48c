"""`weitiao check`: exit codes for CI, JSON for programs, lines for a person, the mended copy."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

_WORDS = ["amber", "birch", "cobalt", "drift", "ember", "fjord", "gravel", "harbor", "indigo", "juniper", "kettle", "lantern", "marble", "nectar", "orchid", "pepper", "quartz", "ribbon", "saffron", "timber", "umber", "velvet", "willow", "yarrow", "zephyr"]
Weitiao = Callable[..., tuple[int, str, str]]


def write(name: str, rows: int, extra: str = "") -> None:
    rng = random.Random(1)
    lines = [f"{' '.join(rng.sample(_WORDS, 8))},{'ab'[i % 2]}" for i in range(rows)]
    Path(name).write_text("text,label\n" + "\n".join(lines) + "\n" + extra, encoding="utf-8")


@pytest.mark.parametrize(("rows", "strict", "code"), [(120, False, 0), (120, True, 0), (60, False, 0), (60, True, 1),
                                                      (8, False, 3), (8, True, 3)])
def test_exit_codes(weitiao: Weitiao, rows: int, strict: bool, code: int) -> None:
    write("reviews.csv", rows)
    got, out, err = weitiao("check", "reviews.csv", "--no-tokenizer", *(["--strict"] if strict else []))
    assert got == code, out + err


def test_json(weitiao: Weitiao) -> None:
    write("reviews.csv", 120)
    code, out, _ = weitiao("check", "reviews.csv", "--no-tokenizer", "--json")
    got = json.loads(out)
    assert (code, got["verdict"], got["task"], got["rows"]) == (0, "good", "classify", {"train": 120})
    assert {"code", "verdict", "said", "count", "of", "threshold", "spots", "do", "facts", "fix"} == set(
        next(f for s in got["sections"] for f in s["findings"]))


def test_lines(weitiao: Weitiao) -> None:
    write("reviews.csv", 120, "so\ufffd bad it is,a\n")
    _, out, _ = weitiao("check", "reviews.csv", "--no-tokenizer", "--out", "checkup")
    assert "reviews.csv:122:text: so\ufffd bad it is" in out and "look: more than 0.1 % of the rows" in out
    assert Path("checkup", "page.html").is_file() and "findings.jsonl" in out
    _, quiet, _ = weitiao("check", "reviews.csv", "--no-tokenizer", "-q")
    assert quiet.startswith("look: shape look") and len(quiet.splitlines()) == 1


def test_sections_and_thresholds(weitiao: Weitiao) -> None:
    write("reviews.csv", 60)
    code, out, _ = weitiao("check", "reviews.csv", "--no-tokenizer", "--strict", "--section", "shape",
                           "--threshold", "shape.rows_look=50", "--json")
    assert code == 0 and [s["name"] for s in json.loads(out)["sections"]] == ["shape"]
    code, _, err = weitiao("check", "reviews.csv", "--threshold", "shape.row=50")
    assert code == 2 and "check.bad_threshold" in err and "shape.rows_look" in err
    assert weitiao("check", "reviews.csv", "--threshold", "rows=50")[0] == 2


def test_fix(weitiao: Weitiao) -> None:
    write("reviews.csv", 120, "so &amp; bad it is,a\n")
    Path("plan.toml").write_text('repair = ["html"]\n')
    assert weitiao("check", "reviews.csv", "--fix", "plan.toml")[0] == 2
    code, out, err = weitiao("check", "reviews.csv", "--no-tokenizer", "--fix", "plan.toml", "--out", "mended")
    assert code == 0, err
    assert Path("mended", "reviews.csv").read_text(encoding="utf-8").splitlines()[-1] == "so & bad it is,a"
    assert "repaired 1" in out


def test_data_that_cannot_be_read_at_all(weitiao: Weitiao) -> None:
    code, _, err = weitiao("check", "nothing.csv")
    assert code == 3 and "data.missing_file" in err
