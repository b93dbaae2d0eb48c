"""`fit` as a whole: it learns, stops, resumes, refuses, and leaves the best weights in the model."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from tuning_case import KINDS, Case, StopAt, digest, flip, make_recipe
from weitiao.core import files
from weitiao.core.errors import DataError, RecipeError, RunError, TrainingError
from weitiao.events import Event, Note, Validated
from weitiao.recipe import budget_seconds
from weitiao.tuning import Interrupted, Rows, fit, plan
from weitiao.tuning.loop import INPUTS, updates
from weitiao.tuning.validate import rows_and_loss

Cases = Callable[..., Case]


def run(case: Case, folder: Path, on_event: Callable[[Event], None] = lambda _: None, *,
        allow_inexact: bool = False, **tune: Any) -> tuple[Any, Any]:
    """Outcome and model."""
    inputs = case.inputs(**tune)
    return fit(folder=folder, on_event=on_event, allow_inexact=allow_inexact, **inputs), inputs["model"]


@pytest.mark.parametrize("kind", KINDS)
def test_learns_every_kind_of_task_and_holds_the_best_weights(kind: str, case: Cases, tmp_path: Path) -> None:
    setting = case(kind)
    seen: list[Event] = []
    _, before = rows_and_loss(setting.model(), setting.task, setting.validation, torch.device("cpu"), most_tokens=999)
    outcome, model = run(setting, tmp_path, seen.append, epochs=6.0, learning_rate=5e-3, head_learning_rate=5e-3)
    validated = [e for e in seen if isinstance(e, Validated)]
    losses = {e.step: e.metrics["loss"] for e in validated}
    assert outcome.steps == outcome.planned == 48
    assert outcome.best_step == min(losses, key=lambda s: losses[s]) and [e for e in validated if e.best]
    assert losses[outcome.best_step] < min(0.7 * before, losses[min(losses)])
    batch = setting.validation.batch(range(16), setting.task, torch.device("cpu"))
    assert not model.training and all(p.dtype == torch.float32 for p in model.parameters())
    with torch.no_grad():
        loss = setting.task.loss_sum(model(**{k: batch[k] for k in INPUTS if k in batch}), batch)
    assert float(loss) / setting.task.count(batch) == pytest.approx(losses[outcome.best_step], rel=1e-4)


def test_resumed_after_signals_it_ends_with_the_same_bytes(case: Cases, tmp_path: Path) -> None:
    settings = {"epochs": 3.0, "average": 0.9, "evaluate_every": 5, "micro_batch_size": 3}
    setting = case()
    whole, _ = run(setting, tmp_path / "whole", **settings)
    for number, step in ((signal.SIGTERM, 4), (signal.SIGINT, 15)):
        with pytest.raises(Interrupted, match=f"step {step}") as caught:
            run(setting, tmp_path / "cut", StopAt(step, number), **settings)
        assert caught.value.resume == f"weitiao tune --resume {tmp_path / 'cut'}"
    notes: list[Event] = []
    resumed, _ = run(setting, tmp_path / "cut", notes.append, **settings)
    assert [e.text for e in notes if isinstance(e, Note)] == ["going on after step 15"]
    assert resumed == whole and digest(tmp_path / "cut") == digest(tmp_path / "whole")
    assert not list((tmp_path / "cut" / "tune").glob(".*"))


def test_a_finished_run_is_left_as_it_is(case: Cases, tmp_path: Path) -> None:
    setting = case()
    first, model = run(setting, tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    again, loaded = run(setting, tmp_path, pytest.fail)
    assert again == first
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in model.state_dict().items())


def test_a_damaged_checkpoint_falls_back_to_the_same_end(case: Cases, tmp_path: Path) -> None:
    settings = {"save_every": 3}
    setting = case()
    run(setting, tmp_path / "whole", **settings)
    with pytest.raises(Interrupted):
        run(setting, tmp_path / "cut", StopAt(10), **settings)
    path = tmp_path / "cut" / "tune" / "checkpoints" / "10" / "state.safetensors"
    flip(path, 4 * path.stat().st_size + 2)
    notes: list[Event] = []
    run(setting, tmp_path / "cut", notes.append, **settings)
    assert [e.text for e in notes if isinstance(e, Note)] == [
        "checkpoint 10 is damaged: going on from the one before it", "going on after step 9"]
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_a_history_that_was_touched_is_not_continued(case: Cases, tmp_path: Path) -> None:
    setting = case()
    run(setting, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(setting, tmp_path / "cut", StopAt(6))
    history = tmp_path / "cut" / "tune" / "metrics.jsonl"
    history.write_text(history.read_text().replace("1", "2", 1))
    run(setting, tmp_path / "cut")
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole"), "it began anew"


def test_other_recipe_data_or_base_are_refused(case: Cases, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(case(), tmp_path, StopAt(3))
    with pytest.raises(RunError, match=r"run\.changed.*the recipe"):
        run(case(), tmp_path, clip=0.5)
    with pytest.raises(RunError, match=r"run\.changed.*the data"):
        run(case(rows=61), tmp_path)
    inputs = case().inputs()
    with torch.no_grad():
        inputs["model"].word_embeddings().weight[0, 0] += 1
    with pytest.raises(RunError, match=r"run\.changed.*the base model"):
        fit(folder=tmp_path, on_event=lambda _: None, **inputs)


@pytest.mark.parametrize("what", ["threads", "cpu", "processor", "torch", "transformers", "weitiao"])
def test_another_machine_is_refused_unless_allowed_and_then_said(what: str, case: Cases, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(case(), tmp_path, StopAt(3))
    path = tmp_path / "tune" / "plan.json"
    facts = files.read_sealed(path)
    here = facts["fingerprint"][what]
    facts["fingerprint"][what] = "other"
    files.write_sealed(path, facts)
    with pytest.raises(RunError, match=r"run\.inexact") as caught:
        run(case(), tmp_path)
    assert f"{what} other → {here}" in str(caught.value)
    assert "--allow-inexact" in str(caught.value) and "OMP_NUM_THREADS" in str(caught.value)
    seen: list[Event] = []
    with pytest.raises(Interrupted):
        run(case(), tmp_path, lambda e: (seen.append(e), StopAt(9)(e))[1], allow_inexact=True)
    assert any(isinstance(e, Note) and "not byte for byte" in e.text and what in e.text for e in seen)
    facts["fingerprint"][what] = here  # back on the first machine: what was done elsewhere stays
    files.write_sealed(path, facts)
    assert run(case(), tmp_path)[0].steps == 16
    assert files.read_sealed(tmp_path / "tune" / "outcome.json")["inexact"] == [f"{what} other → {here}"]


def test_stops_when_the_patience_is_out_and_stays_stopped(case: Cases, tmp_path: Path) -> None:
    settings = {"epochs": 40.0, "learning_rate": 2e-2, "head_learning_rate": 2e-2, "evaluate_every": 4, "patience": 3,
                "metric": "loss"}
    seen: list[Event] = []
    outcome, _ = run(case(), tmp_path, seen.append, **settings)
    assert outcome.steps == outcome.best_step + 3 * 4 < outcome.planned
    assert any(isinstance(e, Note) and "stopped early" in e.text for e in seen)
    before = digest(tmp_path)
    (tmp_path / "tune" / "outcome.json").unlink()  # as if it had been killed just before the end
    assert run(case(), tmp_path, **settings)[0] == outcome and digest(tmp_path) == before


def test_without_validation_rows_the_last_step_counts(case: Cases, tmp_path: Path) -> None:
    setting = case()
    setting.validation = Rows([], [], [], 0, "right")
    outcome, _ = run(setting, tmp_path)
    assert outcome.best_step == outcome.steps == 16 and outcome.metrics == {}


def test_no_training_rows(case: Cases, tmp_path: Path) -> None:
    setting = case()
    setting.rows = Rows([], [], [], 0, "right")
    with pytest.raises(DataError, match=r"data\.no_training_rows"):
        run(setting, tmp_path)


def test_metric_by_name(case: Cases, tmp_path: Path) -> None:
    seen: list[Event] = []
    outcome, _ = run(case(), tmp_path / "a", seen.append, metric="accuracy", epochs=4.0)
    best = max(e.metrics["accuracy"] for e in seen if isinstance(e, Validated))
    assert outcome.metrics["accuracy"] == best
    with pytest.raises(RecipeError, match="acuracy") as caught:
        run(case(), tmp_path / "b", metric="acuracy")
    assert "did you mean 'accuracy'" in str(caught.value)
    assert not (tmp_path / "b" / "tune").exists()


def test_a_loss_that_is_not_finite_stops_with_step_and_rows(case: Cases, tmp_path: Path) -> None:
    setting = case("regression")
    poisoned = list(setting.rows.encoded)
    poisoned[7] = type(poisoned[7])(poisoned[7].windows, poisoned[7].types, float("inf"))
    setting.rows = Rows(poisoned, *[getattr(setting.rows, f) for f in ("sources", "targets", "pad_id", "pad_side")])
    with pytest.raises(TrainingError, match=r"train\.non_finite") as caught:
        run(setting, tmp_path, micro_batch_size=1, head_start="random")
    assert caught.value.where == "made.csv:9" and "at step" in str(caught.value)
    assert not list((tmp_path / "tune" / "checkpoints").glob("*"))


def test_a_diverging_gradient_stops_it(case: Cases, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"train\.non_finite"):
        run(case("regression"), tmp_path, learning_rate=1e38, head_learning_rate=1e38, clip=0.0, optimizer="sgd")


def test_history_tells_nothing_of_time_and_every_step(case: Cases, tmp_path: Path) -> None:
    run(case(), tmp_path, epochs=1.0)
    lines = [json.loads(x) for x in (tmp_path / "tune" / "metrics.jsonl").read_text().splitlines()]
    assert [x["step"] for x in lines if "loss" in x] == list(range(1, 9))
    assert set(lines[0]) == {"step", "epoch", "loss", "learning_rate", "gradient_norm", "rows", "tokens"}
    assert [x["step"] for x in lines if "validation" in x] == [4, 8]
    assert len((tmp_path / "tune" / "timing.jsonl").read_text().splitlines()) == 8


@pytest.mark.parametrize("text", ["90s", "1h30m", "2m5s"])
def test_times(text: str) -> None:
    assert budget_seconds(text) == {"90s": 90, "1h30m": 5400, "2m5s": 125}[text]


@pytest.mark.parametrize("text", ["20", "m", "1.5h", "-2m", "0m"])
def test_what_is_not_a_time(text: str) -> None:
    with pytest.raises(RecipeError, match="is not a time"):
        budget_seconds(text)


def test_a_budget_takes_steps_away_and_adds_none() -> None:
    def steps(each: float, **tune: Any) -> int:
        return plan.steps(make_recipe(**tune).tune, 100, 0.0, lambda: each)

    assert steps(1.0, epochs=3.0) == 300
    assert steps(1.0, epochs=3.0, time="111s") == 100
    assert steps(1.0, epochs=3.0, time="9h") == 300
    assert steps(1.0, steps=50, time="22s") == 20
    assert steps(1e6, epochs=3.0, time="1s") == 1


def test_a_budget_is_kept_and_remembered(case: Cases, tmp_path: Path) -> None:
    settings = {"epochs": 10000.0, "time": "1s"}
    with pytest.raises(Interrupted):
        run(case(), tmp_path, StopAt(2), **settings)
    planned = json.loads((tmp_path / "tune" / "plan.json").read_text())["steps"]
    assert 2 < planned < 10000
    assert run(case(), tmp_path, **settings)[0].planned == planned


@pytest.mark.parametrize("settings", [
    {"embeddings": "freeze"}, {"optimizer": "muon"}, {"optimizer": "adafactor"}, {"optimizer": "sgd"},
    {"precision": "bf16"}, {"checkpointing": True}, {"layer_decay": 0.8, "head_learning_rate": 1e-2},
    {"optimizer": "nadam", "schedule": "cosine"}, {"optimizer": "radam", "clip": 0.0}, {"optimizer": "rmsprop"},
], ids=lambda s: "-".join(f"{k}={v}" for k, v in s.items()))
def test_every_way_of_training_resumes_to_the_same_bytes(settings: dict[str, Any], case: Cases,
                                                         tmp_path: Path) -> None:
    setting = case()
    run(setting, tmp_path / "whole", epochs=1.0, **settings)
    with pytest.raises(Interrupted):
        run(setting, tmp_path / "cut", StopAt(3), epochs=1.0, **settings)
    run(setting, tmp_path / "cut", epochs=1.0, **settings)
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")


def test_frozen_embeddings_do_not_move(case: Cases, tmp_path: Path) -> None:
    setting = case()
    _, model = run(setting, tmp_path, embeddings="freeze", precision="bf16")
    assert torch.equal(model.word_embeddings().weight, setting.model().word_embeddings().weight)


def test_a_full_gpu_halves_the_forward_pass_and_keeps_the_update(case: Cases, tmp_path: Path) -> None:
    """A model that has room for three rows at most, as a GPU would."""
    setting = case()
    inputs = setting.inputs(learning_rate=1e-3)
    inputs["model"] = setting.model(dropout=0.0)
    small = setting.inputs()
    small["model"] = setting.model(dropout=0.0)

    def room(module: Any, args: Any, kwargs: dict[str, torch.Tensor]) -> None:
        if module.training and len(kwargs["input_ids"]) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")

    small["model"].register_forward_pre_hook(room, with_kwargs=True)
    seen: list[Event] = []
    fit(folder=tmp_path / "large", on_event=lambda _: None, **inputs)
    fit(folder=tmp_path / "small", on_event=seen.append, **small)
    assert sum(isinstance(e, Note) and "2 rows a forward pass" in e.text for e in seen) == 1
    for a, b in zip(inputs["model"].parameters(), small["model"].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_not_even_one_row_fits(case: Cases, tmp_path: Path) -> None:
    inputs = case().inputs()

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    inputs["model"].register_forward_pre_hook(full)
    with pytest.raises(TrainingError, match=r"train\.no_memory"):
        fit(folder=tmp_path, on_event=lambda _: None, **inputs)


def test_loss_scaling_changes_nothing_but_skips_what_overflows(case: Cases, tmp_path: Path) -> None:
    def weights(name: str, scaler: torch.amp.GradScaler, poison: int = -1) -> list[torch.Tensor]:
        with ExitStack() as stack:
            engine = case().engine(stack, tmp_path / name)
            engine.scaler, engine.rate = scaler, lambda _: 1e-3
            for update in updates(engine, 0, 4):
                if update.step == poison:
                    engine.scaler.update(2.0**127)  # the next scaled gradient cannot be held
            return [m.detach().clone() for m in engine.weights.masters.values()]

    plain = weights("plain", torch.amp.GradScaler("cpu", enabled=False))
    scaled = weights("scaled", torch.amp.GradScaler("cpu", init_scale=1024.0))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(plain, scaled, strict=True))
    skipped = weights("skipped", torch.amp.GradScaler("cpu", init_scale=1024.0), poison=1)
    assert all(bool(torch.isfinite(v).all()) for v in skipped)


@pytest.mark.parametrize(("options", "passes"), [({"multi_label": True}, 1), ({"multi_label": True, "threshold": 0.4}, 0)])
def test_no_pass_is_made_where_nothing_is_calibrated(options: dict[str, Any], passes: int, tiny_folder: Path, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    import weitiao
    from weitiao.tuning import stage

    made: list[int] = []
    real = stage.rows_and_loss
    monkeypatch.setattr(stage, "rows_and_loss", lambda *a, **k: made.append(1) or real(*a, **k))
    rows = [json.dumps({"text": f"good {i}", "labels": ["a"] if i % 2 else ["a", "b"]}) for i in range(40)]
    (tmp_path / "x.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    recipe = make_recipe(steps=2).updated({"split": {"validation": 0.2}, "model": {"name": str(tiny_folder)},
                                           "task": {"name": "classify", **options}, "evaluate": {"baselines": []}})
    weitiao.tune(tmp_path / "x.jsonl", recipe=recipe, out=tmp_path / "run")
    assert len(made) == passes
