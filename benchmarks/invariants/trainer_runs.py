"""The peer's long runs, to be killed and damaged by faults.py; knows nothing of ours.

    .peers/bin/python trainer_runs.py WORK KILLS

Resumes as its documentation says, by `resume_from_checkpoint=True` where there is a checkpoint. Writes
WORK/trainer-runs.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import transformers
from safetensors.torch import load_file
from trainer import build
from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from faults import SAVE_EVERY, STOPPED, UPDATES, Bench, Job, Misfortune, Side, ended

SETTINGS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "plain": ("classification-small", "classification", {}),
    "grouped": ("classification-small", "classification", {"train_sampling_strategy": "group_by_length"}),
    "masked": ("masked-LM-small", "masked LM", {}),
}


def main() -> None:
    work, kills = Path(sys.argv[1]), int(sys.argv[2])
    found: dict[str, Any] = {"version": transformers.__version__, "kills": {}}
    for setting, (folder, *_) in SETTINGS.items():
        bench = Bench(SIDE, Job(work / folder, setting), work / f"trainer-runs-{setting}", "trainer_runs")
        found["kills"][setting] = [bench.kills(kills, aimed=False)]
        if setting == "plain":
            found["kills"][setting].append(bench.kills(kills, aimed=True))
            found |= damaged(bench)
    (work / "trainer-runs.json").write_text(json.dumps(found))


def damaged(bench: Bench) -> dict[str, Any]:
    code, out = bench.poisoned()
    names = bench.of_checkpoint()
    return {"flips": bench.flips(names), "missing": bench.missing(names), "other_rows": bench.other_rows(),
            "other_batch": bench.other_batch(), "finished": bench.finished(),
            "nan": {"exit": code, **after_nan(out)}}


def run(job: Job, out: Path) -> None:
    """Begin the run in `out`, or go on with it."""
    _, kind, settings = SETTINGS[job.setting]
    trainer = build(job.folder, kind, out, callbacks=[Hook(Misfortune(job, out))],
                    per_device_train_batch_size=job.batch, max_steps=UPDATES, save_steps=SAVE_EVERY, logging_steps=1,
                    **settings)
    last = get_last_checkpoint(out) if out.is_dir() else None
    trainer.train(resume_from_checkpoint=True if last else None)
    ended(out)
    trainer.save_model(str(out / "final"))


class Hook(TrainerCallback):
    def __init__(self, fate: Misfortune) -> None:
        self.fate = fate

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.fate.after(state.global_step)


def checkpoints(out: Path) -> list[Path]:
    return sorted(out.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))


def saving(out: Path) -> bool:
    """trainer_state.json is what is written last."""
    return any(not (p / "trainer_state.json").exists() for p in checkpoints(out))


def after_nan(out: Path) -> dict[str, Any]:
    """What the log and the saved weights say."""
    log = json.loads((checkpoints(out)[-1] / "trainer_state.json").read_text())["log_history"]
    return {"logged": [line["loss"] for line in log if line["step"] > STOPPED],
            "bad_weights": bad(SIDE.weights(out)),
            "good_checkpoints": sum(bad(p / "model.safetensors") == 0 for p in checkpoints(out)),
            "checkpoints": len(checkpoints(out))}


def bad(path: Path) -> float:
    """Share of the weights that are no finite numbers."""
    tensors = load_file(path).values()
    return sum(int((~t.isfinite()).sum()) for t in tensors) / sum(t.numel() for t in tensors)


SIDE = Side(run, saving, lambda out: checkpoints(out)[-1], lambda out: out / "final" / "model.safetensors")


if __name__ == "__main__":
    main()
