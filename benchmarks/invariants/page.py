"""The results of all steps as one Markdown page.

>>> page(work, ("classification", "T5"), "2026-11-30, commit …", 10)
'# What must be equal: …'
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from faults import FLIPS, SAVE_EVERY, STOPPED, UPDATES

SETTINGS = {"plain": "random order", "grouped": "`group_by_length`", "masked": "masks drawn anew at each step"}
HEAD = """# What must be equal: transformers' Trainer and weitiao on the same rows

{facts}

Made by `python benchmarks/invariants --kills {kills}` on made-up sentences of 3 to 40 words: what is stated holds, or
does not, for any rows. Classification, regression and tagging on `minilm` (real weights); T5, BART and a Llama drawn
from small configs with a fixed seed, since no starter holds the first two. Dropout is 0 in the first three tables. The
Trainer is set up as the task guides of its documentation do it, with what is not named below as it comes; each side
puts its own head on the base. In the first two tables 1.000 is right everywhere.
"""


def page(work: Path, kinds: Sequence[str], facts: str, kills: int) -> str:
    got = {name: json.loads((work / f"{name}.json").read_text())
           for name in ("trainer-1", "trainer-2", "weitiao", "trainer-runs", "weitiao-runs")}
    return "\n".join([HEAD.format(facts=facts, kills=kills),
                      *accumulation(work, kinds), *processes(work, kinds, got), *evaluation(kinds, got),
                      *killed(got, kills), *flipped(got), *changed(got)])


# -- gradients and losses ----------------------------------------------------------------------------------------------


def accumulation(work: Path, kinds: Sequence[str]) -> Iterable[str]:
    yield """
## One update of 8 rows as 4 passes of 2, against one pass

The gradient as the optimiser gets it, before clipping: norm of the accumulated one by norm of the whole one, cosine
between them; and the training loss as it is logged, likewise. Adam undoes a constant factor of the gradient, clipping
(on by default, at 1.0) a part of it, SGD nothing; a cosine below 1 is another direction.

| | Trainer: norm | cosine | logged loss | weitiao: norm | cosine | logged loss |
|---|--:|--:|--:|--:|--:|--:|"""
    for kind in kinds:
        cells = [f"{x:.3f}" for side in ("trainer", "weitiao") for x in apart(folder(work, kind) / side, "2x4", "8x1")]
        yield f"| {kind} | {' | '.join(cells)} |"


def processes(work: Path, kinds: Sequence[str], got: Mapping[str, Any]) -> Iterable[str]:
    yield """
## The same update by 2 processes of 4 rows, against one process

torchrun with gloo for the Trainer, `weitiao tune --nproc 2` for weitiao. Evaluation loss: 32 held-out rows, batch 8,
two processes by one. Last column of the Trainer: `evaluate()` is called once before `train()`; how far the gradients of
the two processes, which must be one, are then apart (‖difference‖ by ‖gradient‖; without that call they are equal).

| | Trainer: norm | evaluation loss | gradients apart, evaluated first | weitiao: norm | evaluation loss |
|---|--:|--:|--:|--:|--:|"""
    for kind in kinds:
        own = folder(work, kind) / "trainer"
        loss = got["trainer-2"][kind] / got["trainer-1"][kind]["8"]
        one, two = (vector(own, f"evaluated-{rank}") for rank in (0, 1))
        same = torch.equal(vector(own, "ranks-0"), vector(own, "ranks-1"))
        assert same, "the page says so"
        ours = got["weitiao"][kind]["processes"]
        yield (f"| {kind} | {apart(own, 'ranks-0', '8x1')[0]:.3f} | {loss:.3f} | "
               f"{float((one - two).norm() / one.norm()):.2f} | "
               f"{ours['2']['gradient_norm'] / ours['1']['gradient_norm']:.3f} | "
               f"{ours['2']['eval_loss'] / ours['1']['eval_loss']:.3f} |")


def evaluation(kinds: Sequence[str], got: Mapping[str, Any]) -> Iterable[str]:
    yield """
## Evaluation loss of 32 held-out rows by the batch size of evaluation

The untrained model. weitiao's passes hold 1 row, 400 tokens and all rows. "Apart": largest by smallest, less one.

| | Trainer: batch 1 | 8 | 32 | apart | weitiao: 1 row | 400 tokens | all | apart |
|---|--:|--:|--:|--:|--:|--:|--:|--:|"""
    for kind in kinds:
        sides = [list(got["trainer-1"][kind].values()), list(got["weitiao"][kind]["eval_loss"].values())]
        cells = [f"{x:.4f}" for x in sides[0]] + [f"{spread(sides[0]):.1e}"] + [f"{x:.4f}" for x in sides[1]]
        yield f"| {kind} | {' | '.join([*cells, f'{spread(sides[1]):.1e}'])} |"


def folder(work: Path, kind: str) -> Path:
    return work / kind.replace(" ", "-")


def vector(own: Path, name: str) -> torch.Tensor:
    gradient: torch.Tensor = torch.load(own / f"{name}.pt", weights_only=True)["gradient"]
    return gradient


def apart(own: Path, name: str, reference: str) -> tuple[float, float, float]:
    """Norm by norm, cosine, loss by loss."""
    one, other = (torch.load(own / f"{n}.pt", weights_only=True) for n in (name, reference))
    g, h = one["gradient"], other["gradient"]
    return float(g.norm() / h.norm()), float(g @ h / (g.norm() * h.norm())), one["loss"] / other["loss"]


def spread(values: Sequence[float]) -> float:
    return max(values) / min(values) - 1


# -- runs that something happens to ------------------------------------------------------------------------------------


def killed(got: Mapping[str, Any], kills: int) -> Iterable[str]:
    yield f"""
## Killed and resumed

{kills} runs a line, each killed once with SIGKILL and resumed to its end; final weights against those of a run that was
not killed, byte by byte. A tiny BERT with dropout 0.1, {UPDATES} updates of 8 rows in two epochs, a checkpoint every
{SAVE_EVERY}. The Trainer resumes by `resume_from_checkpoint=True` (from the beginning where there is no checkpoint
yet), weitiao by `weitiao tune --resume`. "In a save": the kill waits until a checkpoint is being written. weitiao
always forms batches of like lengths.

| | Trainer | weitiao |
|---|---|---|"""
    theirs, ours = (got[f"{side}-runs"]["kills"] for side in ("trainer", "weitiao"))
    for setting, title in SETTINGS.items():
        for i, when in enumerate(("any moment", "in a save")):
            if i < len(theirs[setting]):
                own = ours.get(setting, ours["plain"])
                cells = [kill_cell(side[i]) for side in (theirs[setting], own)]
                same = " (as in the first line)" if setting not in ours else ""
                yield f"| {title}, {when} | {cells[0]} | {cells[1]}{same} |"


def kill_cell(result: Sequence[Any]) -> str:
    counts, saves = result
    said = ", ".join(f"{n} {OUTCOMES[word]}" for word, n in sorted(counts.items()))
    return f"{said} ({saves} of the kills in a save)"


OUTCOMES = {"identical": "identical", "different": "different", "refuses": "an error instead of resuming",
            "stuck": "hang", "identical, said": "identical, said so", "different, said": "different, with a warning"}


def flipped(got: Mapping[str, Any]) -> Iterable[str]:
    yield f"""
## One bit flipped in a file of the newest checkpoint

A run of {UPDATES} updates is killed after {STOPPED}; one bit of one file is flipped, the run resumed: {FLIPS} times a
file, each time another bit. "Identical": the final weights are those of a healthy run, because the bit plays no part or
an older checkpoint was used; "said so": with a message that a healthy resumption does not give. "Different", without a
word, is the one outcome that nobody sees.

| | file | outcomes |
|---|---|---|"""
    for side, name in (("trainer", "Trainer"), ("weitiao", "weitiao")):
        for path, counts in got[f"{side}-runs"]["flips"].items():
            yield f"| {name} | {Path(path).name} | {counted(counts)} |"
    elsewhere: dict[str, list[str]] = {}
    for path, counts in got["weitiao-runs"]["flips_elsewhere"].items():
        elsewhere.setdefault(counted(counts), []).append(f"`{path}`")
    yield ("\nweitiao keeps more in a run's folder than checkpoints (rows, recipe, plan, history). One bit in each of "
           "those files:\n\n| outcomes | files |\n|---|---|")
    yield from (f"| {outcome} | {', '.join(paths)} |" for outcome, paths in elsewhere.items())


def counted(counts: Mapping[str, int]) -> str:
    words = OUTCOMES | {"refuses": "with an error"}
    return ", ".join(f"{n} {words[word]}" for word, n in sorted(counts.items()))


def changed(got: Mapping[str, Any]) -> Iterable[str]:
    theirs, ours = got["trainer-runs"], got["weitiao-runs"]
    words = OUTCOMES | {"refuses": "an error", "different": "different, without a word"}
    yield """
## Other changes before resuming, and a NaN

| | Trainer | weitiao |
|---|---|---|"""
    for name, title in {"other_rows": "the training file holds other rows",
                        "other_batch": "twice the batch size",
                        "finished": "the run had ended"}.items():
        yield f"| {title} | {words[theirs[name]]} | {words[ours[name]]} |"
    missing = ["; ".join(f"{Path(p).name}: {words[outcome]}" for p, outcome in side["missing"].items())
               for side in (theirs, ours)]
    yield f"| a file of the newest checkpoint is missing | {missing[0]} | {missing[1]} |"
    bad, good = theirs["nan"], ours["nan"]
    logged = ", ".join(f"{x:g}" for x in dict.fromkeys(bad["logged"]))
    yield (f"| a forward pass gives NaN (update {STOPPED + 1} of {UPDATES}): exit code | {bad['exit']}; the loss is "
           f"logged as {logged} | {good['exit']}: \"{good['said']}\" |")
    yield (f"| … what is saved | {bad['bad_weights']:.0%} of the final weights are not finite; of "
           f"{bad['checkpoints']} checkpoints {bad['good_checkpoints']} are | {good['bad_weights']:.0%} of the newest "
           f"checkpoint, {good['checkpoint']}, is not finite; resumed without the fault: {good['resumed']} |")
    yield ("\nweitiao trains from its own copy of the rows, so the changed file plays no part; a resumed run takes no "
           "settings, and one whose recipe has been edited is refused.\n")
