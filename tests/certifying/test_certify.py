"""`certify` on runs of every task: what must be equal is, and each check sees it when it is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from weitiao import certifying, pipeline, tasks
from weitiao.certifying import Line, certify
from weitiao.cli import main
from weitiao.core import files
from weitiao.core.errors import RunError
from weitiao.recipe import Recipe
from weitiao.tasks import classify
from weitiao.tuning import batches, stage

KINDS = [pytest.param(name, kind, id=f"{name}-{kind}") for name in tasks.names() for kind in tasks.load(name).SAMPLES[0].kinds]


def tuned(folder: Path, name: str, base: Path, **more: Any) -> Path:
    """A finished run of the task's own sample, which also stands for validation and test."""
    sample = tasks.load(name).SAMPLES[0]
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(dict(r), ensure_ascii=False) + "\n" for r in sample.rows for _ in range(3)))
    recipe = Recipe.build({
        "data": {"train": [str(data)], "validation": [str(data)], "test": [str(data)], "columns": dict(sample.columns)},
        "task": {"name": name, **sample.options}, "model": {"name": str(base), "max_length": 48},
        "evaluate": {"baselines": [], "resamples": 100, "rows": 4},
        "tune": {"steps": 6, "batch_size": 6, "learning_rate": 1e-3},
    } | more)
    return pipeline.start(recipe, folder / "run").folder


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_every_task_keeps_what_it_promises(name: str, kind: str, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    run = tuned(tmp_path, name, tiny_folders[kind])
    # Processes are started anew, which takes seconds: once, below.
    lines = certify(run, rows=12, checks=tuple(c for c in certifying.names() if c != "ranks"))
    assert not [x for x in lines if not x.passed]
    assert {x.check for x in lines} >= {"accumulation", "evaluation", "merging", "resuming", "saving"}
    told = files.read_json(run / "certificate.json")
    assert [x["said"] for x in told["lines"]] == [x.said for x in lines]


@pytest.mark.parametrize("method", ["lora", "ia3", "bitfit", "prompt", "freeze", "head"])
def test_every_method_does(method: str, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    run = tuned(tmp_path, "classify", tiny_folders["encoder"], method={"name": method})
    lines = certify(run, rows=12, checks=("accumulation", "merging", "resuming", "saving"))
    assert not [x for x in lines if not x.passed]


@pytest.fixture(scope="module")
def run(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tuned(tmp_path_factory.mktemp("certify"), "classify", tiny_folder)


def failing(run: Path, check: str) -> list[Line]:
    return [x for x in certify(run, rows=12, checks=(check,)) if not x.passed]


def test_a_loss_that_each_pass_divides_by_itself_is_seen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = classify.Task.loss_sum
    monkeypatch.setattr(classify.Task, "loss_sum", lambda self, logits, batch: own(self, logits, batch) / len(logits))
    assert {x.said.split()[0] for x in failing(run, "accumulation")} == {"gradient", "loss"}


def test_rows_that_see_their_neighbours_are_seen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = classify.Task.rows
    monkeypatch.setattr(classify.Task, "rows", lambda self, logits, batch: own(self, logits + 9 * logits.mean(0), batch))
    assert any("numbers" in x.said for x in failing(run, "evaluation"))


def test_padding_that_counts_is_seen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = classify.Task.collate

    def blind(self: Any, *args: Any) -> tasks.Batch:
        batch = own(self, *args)
        batch["attention_mask"] = torch.ones_like(batch["attention_mask"])
        return batch

    monkeypatch.setattr(classify.Task, "collate", blind)
    assert failing(run, "accumulation") and failing(run, "evaluation")


def test_a_state_that_is_not_saved_is_seen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = iter(range(10**6))
    own: Callable[..., list[list[int]]] = batches.Batches.__call__
    monkeypatch.setattr(batches.Batches, "__call__", lambda self, step: own(self, next(asked)))
    assert any("resumed" in x.said for x in failing(run, "resuming"))


def test_a_validation_that_changes_the_course_is_seen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from weitiao import tuning

    own = tuning.rows_and_loss

    def careless(model: torch.nn.Module, *args: Any, **how: Any) -> Any:
        found = own(model, *args, **how)
        model.eval()  # and forgotten so: no dropout from then on
        return found

    monkeypatch.setattr(tuning, "rows_and_loss", careless)
    assert [x.said for x in failing(run, "resuming")] == [
        "weights and moments that differ: validated after every update or once"]


def test_other_weights_than_were_tuned_are_seen(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    path = copy / "model" / "model.safetensors"
    weights = load_file(path)
    weights["classifier.out_proj.weight" if "classifier.out_proj.weight" in weights else "classifier.weight"] *= 1.01
    save_file(weights, path, {"format": "pt"})
    facts = files.read_json(copy / "model" / "weitiao.json")
    files.write_json(copy / "model" / "weitiao.json", {**facts, "weights": {path.name: files.sha256(path)}})
    assert [x.check for x in failing(copy, "merging")] == ["merging"]
    assert not failing(copy, "saving"), "plain transformers reads the same wrong weights"


def test_other_logits_than_plain_transformers_are_seen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from weitiao.models import sequence

    own = sequence.TextModel.forward
    monkeypatch.setattr(sequence.TextModel, "forward", lambda self, **inputs: own(self, **inputs) * 1.001)
    assert [x.check for x in failing(run, "saving")] == ["saving"]


def test_activations_that_differ_when_recomputed_are_seen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, asked = stage.ready, iter(range(10**6))

    def noisy(*args: Any) -> Any:
        made = own(*args)
        layer = made.model.base.encoder.layer[0]
        layer.register_forward_pre_hook(lambda m, a: (a[0] * (1 + 0.1 * next(asked)), *a[1:]))
        return made

    monkeypatch.setattr("weitiao.certifying.case.ready", noisy)
    assert [x.check for x in failing(run, "checkpointing")] == ["checkpointing"]


def test_ranks_that_divide_by_their_own_count_are_seen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not failing(run, "ranks")
    from weitiao.certifying import ranked

    own = ranked.by_ranks
    monkeypatch.setattr(ranked, "by_ranks", lambda case, size: tuple(2 * x for x in own(case, size)))
    assert [x.check for x in failing(run, "ranks")] == ["ranks", "ranks"]


def test_not_a_number_never_passes() -> None:
    assert not Line("x", "x", float("nan"), 1.0, "relative").passed
    assert Line("x", "x", float("nan"), 1.0, "relative").as_dict()["measured"] is None


def test_differences_tells_numbers_from_answers() -> None:
    from weitiao.certifying.comparing import differences

    one = [{"label": "a", "p": 0.5, "all": [0.1, 0.2]}, {"label": "b", "p": 1.0, "all": []}]
    other = [{"label": "a", "p": 0.25, "all": [0.1, 0.3]}, {"label": "c", "p": 0.0, "all": []}]
    assert differences(one, other) == (0.25, 1)
    assert differences([{"text": "x"}], [{"text": "x", "more": 1}]) == (0.0, 1)


def test_a_run_without_a_model_cannot_be_certified(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError) as e:
        certify(tmp_path)
    assert e.value.code == "run.missing"
    shutil.copytree(run, tmp_path / "half")
    shutil.rmtree(tmp_path / "half" / "model")
    with pytest.raises(RunError) as e:
        certify(tmp_path / "half")
    assert e.value.code == "run.unfinished" and "--resume" in e.value.fix


def test_the_command(run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    args = ["certify", str(run), "--check", "saving", "--rows", "6"]
    assert main(args) == 0
    out = capsys.readouterr().out
    assert "tolerance" in out and "BertForSequenceClassification" in out and "1 of 1 hold" in out
    from weitiao.models import sequence

    own = sequence.TextModel.forward
    monkeypatch.setattr(sequence.TextModel, "forward", lambda self, **inputs: own(self, **inputs) + 1)
    assert main([*args, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is False and told["lines"][0]["measured"] > 1e-3
    assert main(["certify", str(run), "--check", "nothing", "--json"]) == 2


@pytest.mark.parametrize("name", certifying.names())
def test_a_check_has_a_title(name: str) -> None:
    assert len(certifying.load(name).TITLE) == 2 and all(certifying.load(name).TITLE)
