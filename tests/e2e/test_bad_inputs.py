"""What a person sees when something is wrong: a coded message, a non-zero exit, and nothing half-written.

Each case goes through the real command in this process (typer's runner), with a tiny local model.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from calling import weitiao

GOOD = [("good food very good", "pos"), ("bad food so bad", "neg"), ("great movie i love it", "pos"),
        ("awful service", "neg")] * 10


def table(rows: list[tuple[str, str]] = GOOD, header: str = "text,label") -> str:
    return "\n".join([header, *(f"{t} {i},{y}" for i, (t, y) in enumerate(rows))]) + "\n"


def _utf16_cut(path: Path) -> None:
    path.write_bytes(table().encode("utf-16")[:-1])


CASES: dict[str, tuple[str, Callable[[Path], object] | None, list[str]]] = {
    # name: (expected code, what is written to data.csv, further flags)
    "missing file": ("data.missing_file", None, []),
    "empty file": ("data.empty_file", lambda p: p.write_bytes(b""), []),
    "header only": ("data.empty_file", lambda p: p.write_text("text,label\n"), []),
    "one class": ("data.one_class", lambda p: p.write_text(table([("good", "pos")] * 20)), []),
    "missing column": ("data.missing_column", lambda p: p.write_text(table()), ["--columns", "text=txt"]),
    "no label at all": ("data.no_task", lambda p: p.write_text("text\n" + "only some text here\n" * 20), []),
    "binary file": ("data.binary", lambda p: p.write_bytes(bytes(range(256)) * 40), []),
    "a picture": ("data.binary", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100), []),
    "wrong encoding": ("data.encoding", lambda p: p.write_bytes(table().encode() + b"caf\xe9 \xff,pos\n"), []),
    "named encoding is wrong": ("data.encoding", lambda p: p.write_text(table() + "好,pos\n", encoding="utf-8"),
                                ["--set", "data.encoding=ascii"]),
    "cut UTF-16": ("data.encoding", _utf16_cut, []),
    "broken gzip": ("data.unreadable", lambda p: p.with_name("data.csv.gz").write_bytes(gzip.compress(table().encode())[:-9]),
                    ["GZ"]),
    "NaN labels": ("data.too_many_bad_rows", lambda p: p.write_text(table([("good", "nan"), ("bad", "neg"),
                                                                           ("so", "pos")] * 10)), []),
    "label in the wrong column": ("data.too_many_labels", lambda p: p.write_text(table()),
                                  ["--columns", "text=label,label=text"]),
    "ragged rows": ("data.too_many_bad_rows", lambda p: p.write_text(table() + "a,b,c,d\n" * 10), []),
    "duplicate ids": ("data.duplicate_id", lambda p: p.write_text(
        "id,text,label\n" + "".join(f"7,{t},{y}\n" for t, y in GOOD)), ["--set", "data.id=id"]),
    "unknown key": ("recipe.unknown_key", lambda p: p.write_text(table()), ["--set", "tune.learning_rat=1e-4"]),
    "value out of range": ("recipe.bad_value", lambda p: p.write_text(table()), ["--set", "tune.epochs=-3"]),
    "unknown task": ("plugin.unknown", lambda p: p.write_text(table()), ["--task", "clasify"]),
    "unknown model": ("model.hub_unreachable", lambda p: p.write_text(table()), ["--model", "no-such-model"]),
    "model longer than it can read": ("model.too_long", lambda p: p.write_text(table()),
                                      ["--set", "model.max_length=9999"]),
    "texts regress": ("data.no_task", lambda p: p.write_text(table()), ["--task", "regress"]),
    "unknown device": ("recipe.bad_value", lambda p: p.write_text(table()), ["--device", "tpu"]),
    "bad time": ("recipe.bad_value", lambda p: p.write_text(table()), ["--time", "soon"]),
    "divergence": ("train.non_finite", lambda p: p.write_text(table()),
                   ["--set", "tune.learning_rate=1e30", "--set", "tune.head_learning_rate=1e30",
                    "--set", "tune.clip=0", "--set", "tune.optimizer=sgd"]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_input_ends_in_a_message_that_a_person_can_act_on(
    name: str, tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, write, flags = CASES[name]
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data.csv"
    if write is not None:
        write(data)
    if flags == ["GZ"]:
        data, flags = tmp_path / "data.csv.gz", []
    model = [] if "--model" in flags else ["--model", str(tiny_folder)]
    got = weitiao("tune", str(data), *model, "--out", str(tmp_path / "run"), "--json", *flags)
    assert got.code not in (0, 70), got
    error = json.loads(got.stdout)["error"]
    assert error["code"] == code, error
    assert error["what"] and (error["fix"] or error["expected"]), error
    # Nothing is left under a final name, but for a run that had begun to tune: it can be continued.
    assert not (tmp_path / "run" / "model").exists()
    assert (tmp_path / "run").exists() == (code == "train.non_finite")
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_disk_that_is_full_leaves_nothing_half_written(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data.csv"
    data.write_text(table())

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    got = weitiao("tune", str(data), "--model", str(tiny_folder), "--out", str(tmp_path / "run"), "--json")
    assert json.loads(got.stdout)["error"]["code"] == "disk.write_failed" and got.code == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data.csv"]


def test_a_folder_that_holds_something_is_not_written_into(tmp_path: Path, tiny_folder: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text(table())
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.doc").write_text("years of work")
    got = weitiao("tune", str(data), "--model", str(tiny_folder), "--out", str(out), "--json")
    assert json.loads(got.stdout)["error"]["code"] == "run.exists"
    assert [p.name for p in out.iterdir()] == ["thesis.doc"]
