"""The page of real runs: complete, self-contained, in both languages, and safe whatever the texts hold."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from weitiao.core import files, i18n
from weitiao.core.errors import RunError
from weitiao.recipe import Recipe
from weitiao.report import artefacts, page, report
from weitiao.report.card import escape
from weitiao.run import Run

Make = Callable[[str], Path]
VOID = {"meta"}


class Reader(HTMLParser):
    """Checks that tags close in order; collects tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _again(folder: Path, lang: Any) -> str:
    i18n.use(lang)
    run = Run.open(folder)
    report(Recipe.read(folder / "recipe.toml"), run)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["classify", "several", "number"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_page_is_whole_and_loads_nothing(make_run: Make, kind: str, lang: str) -> None:
    html = _again(make_run(kind), lang)
    seen = Reader(html)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(seen.tags)
    assert not any(k.startswith("on") or k in ("src", "href", "xlink:href") for k, _ in seen.attributes)
    assert "url(" not in html and "@import" not in html
    assert html.count("<svg") >= 3
    assert f'lang="{"zh-CN" if lang == "zh" else "en"}"' in html
    assert "{" not in "".join(t for t in seen.text if "--paper" not in t and "weitiao.load" not in t)


@pytest.mark.parametrize(("kind", "headings"), [
    ("classify", {"How good it is", "Label by label", "What is taken for what", "Worst errors", "How it learned",
                  "The data", "What was decided, and why", "What next"}),
    ("several", {"How good it is", "Label by label", "Worst errors", "How it learned", "The data",
                 "What was decided, and why", "What next"}),
    ("number", {"How good it is", "Prediction against truth", "Worst errors", "How it learned", "The data",
                "What was decided, and why", "What next"}),
])
def test_each_task_has_its_parts(make_run: Make, kind: str, headings: set[str]) -> None:
    assert set(re.findall(r"<h2>(.*?)</h2>", _again(make_run(kind), "en"))) == headings


@pytest.mark.parametrize("kind", ["classify", "several", "number"])
def test_texts_of_the_user_are_shown_and_never_run(make_run: Make, kind: str) -> None:
    html = _again(make_run(kind), "en")
    assert "<script" not in html.lower()
    assert any("<script>alert('x')</script>" in text for text in Reader(html).text)


def test_numbers_are_those_of_the_run(make_run: Make) -> None:
    folder = make_run("classify")
    scores = files.read_json(folder / "evaluate" / "scores.json")
    found = artefacts.read(Run.open(folder))
    made = page.build(found, Recipe.read(folder / "recipe.toml"))
    assert f"{100 * scores['metrics'][0]['value']:.1f} %" == made.cards[0].value
    assert made.confusion is not None
    assert sum(c.n for row in made.confusion.cells for c in row) == made.test_rows == 24
    right = sum(c.n for row in made.confusion.cells for c in row if c.right)
    assert found.error_count == 24 - right
    assert sorted(int(c.rows) for c in made.classes) == [8, 8, 8]
    assert made.rejects[0].n == 1
    assert len(found.course.updates) == 6 and set(found.course.validations) == {2, 4, 6}


def test_time_and_memory_stand_beside_their_forecast(make_run: Make) -> None:
    folder = make_run("classify")
    made = page.build(artefacts.read(Run.open(folder)), Recipe.read(folder / "recipe.toml"))
    said = {d.name: d for d in made.decisions}
    used = files.read_json(folder / "tune" / "costs.json")["took"]
    assert said["time"].reason.startswith("forecast: ") and used["disk_gb"] > 0
    if used["memory_gb"] is not None:
        assert said["memory"].value == f"{used['memory_gb']:.1f} GB" and "GB" in said["memory"].reason


def test_the_card_stands_beside_the_weights_too(make_run: Make) -> None:
    folder = make_run("classify")
    _again(folder, "en")
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card == (folder / "model" / "README.md").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in card and "<script" not in card
    assert "| accuracy |" in card and "AutoModelForSequenceClassification" in card


def test_markdown_cannot_be_broken_by_a_label() -> None:
    assert escape("a|b\n# c `d` <e>") == "a\\|b \\# c \\`d\\` &lt;e&gt;"


def test_a_run_that_misses_a_file_is_refused(make_run: Make, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(make_run("classify"), folder)
    (folder / "evaluate" / "scores.json").unlink()
    with pytest.raises(RunError) as e:
        report(Recipe.read(folder / "recipe.toml"), Run.open(folder))
    assert e.value.code == "run.unreadable"


@pytest.mark.parametrize("damage", [b"sebonds", b"\xf3econds"])
def test_a_damaged_clock_costs_a_duration_and_nothing_else(make_run: Make, tmp_path: Path, damage: bytes) -> None:
    folder = tmp_path / "run"
    shutil.copytree(make_run("classify"), folder)
    clock = folder / "tune" / "timing.jsonl"
    clock.write_bytes(clock.read_bytes().replace(b"seconds", damage, 1))
    assert "1 lines of timing.jsonl are damaged" in _again(folder, "en")


def test_the_same_run_gives_the_same_page(make_run: Make) -> None:
    folder = make_run("number")
    assert _again(folder, "en") == _again(folder, "en")


def test_rows_with_control_tokens_are_named(make_run: Make) -> None:
    folder = make_run("classify")
    cuts = files.read_json(folder / "tune" / "encoding.json")
    train, held = (cuts["train"], cuts["validation"])
    assert train["control_rows"] + held["control_rows"] == 2
    places = {Path(x).name for x in (*train["control_places"], *held["control_places"])}
    assert places == {"train.jsonl:5", "train.jsonl:8"}
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert ("control token" in html) == bool(train["control_rows"])
