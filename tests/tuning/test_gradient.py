"""One update's gradient: the same for every split into micro-batches, and equal to a float64 reference made here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tuning_case import KINDS, Case
from weitiao.tuning.loop import accumulate

SPLITS = {
    "16x1": [list(range(16))],
    "4x4": [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]],
    "ragged": [[3], [1, 2, 0, 15, 14], [4, 5, 6, 7, 8, 9, 10, 11, 12], [13]],
}


def gradient(case: Case, home: Path, micro: list[list[int]], **tune: Any) -> tuple[float, dict[str, torch.Tensor]]:
    with ExitStack() as stack:
        engine = case.engine(stack, home, **tune)
        engine.model.train()
        loss, _ = accumulate(engine, 0, micro)
        return loss, {n: m.grad.clone() for n, m in engine.weights.masters.items()}


def spans(case: Case) -> tuple[float, dict[str, torch.Tensor]]:
    """Window by window in float64 through transformers' own head: −log p of start and end, halved, over the window's
    passage and its first token."""
    model = case.model(dropout=0.0).double()
    windows, total = 0, torch.zeros((), dtype=torch.float64)
    for row in case.rows.encoded[:16]:
        for ids, types, place, target in zip(row.windows, row.types, row.notes[1], row.target, strict=True):
            out = model.body(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types]))
            kept = [0, *range(place.first, place.first + len(place.starts))]
            for logits, at in ((out.start_logits[0], target[0]), (out.end_logits[0], target[1])):
                total = total - F.log_softmax(logits[kept], 0)[kept.index(at)] / 2
            windows += 1
    assert windows > 16
    (total / windows).backward()
    return float(total.detach() / windows), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def reference(case: Case, kind: str) -> tuple[float, dict[str, torch.Tensor]]:
    """Row by row in float64, without padding, by the textbook's formula."""
    if kind == "spans":
        return spans(case)
    model = case.model(dropout=0.0).double()
    total = torch.zeros((), dtype=torch.float64)
    for row in case.rows.encoded[:16]:
        ids = torch.tensor(row.windows)
        types = torch.tensor(row.types) if row.types else None
        hidden = model.base(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=types)
        mean = hidden.last_hidden_state[0].mean(0)
        mean = (mean - mean.mean()) / (mean.var(unbiased=False) + 1e-12).sqrt()
        out = model.classifier.weight @ mean + model.classifier.bias
        if kind == "multi":
            p, y = torch.sigmoid(out), torch.tensor(row.target, dtype=torch.float64)
            total = total - (y * p.log() + (1 - y) * (1 - p).log()).mean()
        elif kind == "regression":
            total = total + (out[0] - row.target) ** 2
        else:
            total = total - F.log_softmax(out, 0)[row.target]
    (total / 16).backward()
    return float(total.detach() / 16), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Norm of the difference of two whole gradients, relative to the norm."""
    own = torch.cat([a[n].double().flatten() for n in sorted(a)])
    other = torch.cat([b[n].double().flatten() for n in sorted(a)])
    return float((own - other).norm() / other.norm())


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_that_of_the_reference_for_every_split(kind: str, case: Callable[..., Case],
                                                           tmp_path: Path) -> None:
    setting = case(kind)
    want_loss, want = reference(setting, kind)
    for name, micro in SPLITS.items():
        loss, got = gradient(setting, tmp_path / name, micro)
        rows = next(n for n in got if n.endswith(".rows"))
        place = torch.unique(torch.tensor([t for part in (setting.rows, setting.validation) for r in part.encoded
                                           for w in r.windows for t in (*w, part.pad_id)]))
        table = next(n for n in want if n.endswith("word_embeddings.weight"))
        full = torch.zeros_like(want[table], dtype=torch.float32)
        full[place] = got.pop(rows)
        assert loss == pytest.approx(want_loss, rel=1e-6)
        assert distance(got | {table: full}, want) < 1e-5, name


def test_low_precision_gradients_are_added_up_in_float32(case: Callable[..., Case], tmp_path: Path) -> None:
    setting = case()
    _, exact = gradient(setting, tmp_path / "a", SPLITS["16x1"])
    _, one = gradient(setting, tmp_path / "b", SPLITS["16x1"], precision="bf16")
    _, many = gradient(setting, tmp_path / "c", SPLITS["4x4"], precision="bf16")
    assert all(g.dtype == torch.float32 for g in many.values())
    assert distance(one, exact) < 0.03 and distance(many, exact) < 0.03


def test_activation_checkpointing_gives_the_same_gradient(case: Callable[..., Case], tmp_path: Path) -> None:
    setting = case()
    _, plain = gradient(setting, tmp_path / "a", SPLITS["4x4"])
    _, again = gradient(setting, tmp_path / "b", SPLITS["4x4"], checkpointing=True)
    assert distance(again, plain) < 1e-6
