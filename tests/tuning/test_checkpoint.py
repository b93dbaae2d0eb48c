from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tuning_case import flip
from weitiao.core import files
from weitiao.core.errors import RunError
from weitiao.tuning import checkpoint

TENSORS = {"master/w": torch.arange(6.0).reshape(2, 3), "optimizer0/0/step": torch.tensor(3.0)}


def fill(folder: Path, *steps: int) -> None:
    for step in steps:
        checkpoint.save(folder, step, {k: v + step for k, v in TENSORS.items()}, {"step": step})


def test_reads_back_what_was_written_and_keeps_two(tmp_path: Path) -> None:
    fill(tmp_path, 5, 10, 15)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["10", "15"]
    found = checkpoint.newest(tmp_path, lambda _: "", pytest.fail)
    assert found is not None and found.step == 15 and found.state == {"step": 15}
    assert all(torch.equal(found.tensors[k], v + 15) for k, v in TENSORS.items())


@pytest.mark.parametrize("name", ["state.safetensors", "state.json", "MANIFEST.json"])
def test_one_flipped_bit_in_any_file_falls_back_and_says_so(name: str, tmp_path: Path) -> None:
    bits = 8 * len((_made(tmp_path / "size") / "10" / name).read_bytes())
    for i, bit in enumerate(range(0, bits, max(1, bits // 25))):
        folder = _made(tmp_path / str(i))
        flip(folder / "10" / name, bit)
        notes: list[str] = []
        found = checkpoint.newest(folder, lambda _: "", notes.append)
        assert found is not None and found.step == 5
        assert notes == ["checkpoint 10 is damaged: going on from the one before it"]
        assert not (folder / "10").exists()


def _made(folder: Path) -> Path:
    fill(folder, 5, 10)
    return folder


@pytest.mark.parametrize("name", ["state.safetensors", "state.json", "MANIFEST.json"])
def test_a_missing_or_cut_file_is_damage(name: str, tmp_path: Path) -> None:
    fill(tmp_path, 5)
    path = tmp_path / "5" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunError, match=r"checkpoint\.damaged"):
        checkpoint.read(tmp_path / "5")
    path.write_bytes(b"")
    with pytest.raises(RunError, match=r"checkpoint\.damaged"):
        checkpoint.read(tmp_path / "5")
    path.unlink()
    with pytest.raises(RunError, match=r"checkpoint\.damaged"):
        checkpoint.read(tmp_path / "5")
    assert checkpoint.newest(tmp_path, lambda _: "", lambda _: None) is None


def test_an_unusable_one_is_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, 5, 10)
    notes: list[str] = []
    found = checkpoint.newest(tmp_path, lambda state: "is too new" if state["step"] == 10 else "", notes.append)
    assert found is not None and found.step == 5
    assert notes == ["checkpoint 10 is too new: going on from the one before it"]


def test_when_none_is_whole_that_is_said_with_what_to_do(tmp_path: Path) -> None:
    fill(tmp_path, 5, 10)
    for step in (5, 10):
        flip(tmp_path / str(step) / "state.safetensors", 99)
    notes: list[str] = []
    assert checkpoint.newest(tmp_path, lambda _: "", notes.append) is None and not list(tmp_path.iterdir())
    assert notes == ["checkpoint 10 is damaged: going on from the one before it",
                     "checkpoint 5 is damaged, and there is none before it: beginning anew, to the same result; look at the disk"]


def test_one_more_may_be_kept(tmp_path: Path) -> None:
    for step in (4, 5, 6, 7):
        checkpoint.save(tmp_path, step, TENSORS, {"step": step}, keep=4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["4", "6", "7"]


def test_no_pickle_and_no_numbers_that_json_lacks(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    assert {p.suffix for p in (tmp_path / "5").iterdir()} == {".safetensors", ".json"}
    with pytest.raises(ValueError, match="JSON"):
        checkpoint.save(tmp_path, 6, TENSORS, {"loss": float("nan")})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["5"]


def test_what_killed_writers_left_is_swept(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    for name in (".10.abc.tmp", ".5.old", ".4.gone.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text("x")
    (tmp_path / ".plan.json.q.tmp").write_text("x")
    (tmp_path / ".best.old").mkdir()
    files.sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["5", "best"], "a folder set aside by a kill comes back"


def test_a_full_disk_leaves_the_last_one_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, 5)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(RunError, match=r"disk\.write_failed"):
        fill(tmp_path, 10)
    assert [p.name for p in tmp_path.iterdir()] == ["5"]
    assert json.loads((tmp_path / "5" / "state.json").read_text()) == {"step": 5}
