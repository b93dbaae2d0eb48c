"""What training minimises: against float64 references, and additive over any split of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao import tasks
from weitiao.example import Row
from weitiao.tasks import Batch, Encoded, Task

LABELS = ("a", "b", "c")


def single(**options: Any) -> Task:
    task = tasks.make("classify", options, {"text": "text", "label": "label"})
    rows = [("x", y) for y in "aaabbc"]
    task.fit([task.read(Row({"text": x, "label": y}, "f", i)) for i, (x, y) in enumerate(rows)])
    return task


def multi(**options: Any) -> Task:
    task = tasks.make("classify", {"multi_label": True, **options}, {"text": "text", "label": "label"})
    targets: list[list[str]] = [["a"], ["a", "b"], [], ["c", "a"], ["b"], ["a"]]
    task.fit([task.read(Row({"text": "x", "label": y}, "f", i)) for i, y in enumerate(targets)])
    return task


def number(**options: Any) -> Task:
    task = tasks.make("regress", options, {"text": "text", "label": "label"})
    task.fit([task.read(Row({"text": "x", "label": y}, "f", i)) for i, y in enumerate([1.0, 4.0, 2.5, 9.0])])
    return task


def batch(task: Task, targets: list[Any], windows: list[int] | None = None) -> Batch:
    """Rows of made-up tokens; `windows` says how many each has."""
    counts = windows or [1] * len(targets)
    rows = [Encoded(((2, 5, 3),) * n, (), x) for n, x in zip(counts, targets, strict=True)]
    return task.collate(rows, 0, "right")


def log_softmax(z: np.ndarray) -> np.ndarray:
    z = z - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def reference_single(z: np.ndarray, y: np.ndarray, weight: np.ndarray, smooth: float, gamma: float) -> float:
    """Σ_i (1 - p_y)^γ [ -(1-ε) w_y ln p_y - ε/K Σ_c w_c ln p_c ], in float64 and plain loops."""
    total, logp = 0.0, log_softmax(z)
    for row, k in zip(logp, y, strict=True):
        loss = -(1 - smooth) * weight[k] * row[k] - smooth / len(row) * (weight * row).sum()
        total += loss * (1 - np.exp(row[k])) ** gamma
    return total


def reference_multi(z: np.ndarray, y: np.ndarray, weight: np.ndarray, smooth: float, gamma: float) -> float:
    total = 0.0
    for row, truth in zip(z, y, strict=True):
        p = 1 / (1 + np.exp(-row))
        soft = truth * (1 - smooth) + smooth / 2
        losses = -(weight * soft * np.log(p) + (1 - soft) * np.log(1 - p))
        total += (losses * (1 - np.where(truth == 1, p, 1 - p)) ** gamma).mean()
    return total


OPTIONS = [{}, {"label_smoothing": 0.1}, {"focal_gamma": 2.0}, {"class_weights": "balanced"},
           {"class_weights": {"c": 5.0}}, {"class_weights": "balanced", "label_smoothing": 0.2, "focal_gamma": 0.5}]


@pytest.mark.parametrize("options", OPTIONS)
def test_one_label_is_the_float64_reference(options: dict[str, Any]) -> None:
    task, random = single(**options), np.random.default_rng(0)
    z, y = random.normal(size=(20, 3)) * 3, random.integers(0, 3, 20)
    weight = {"balanced": np.array([6 / 9, 1.0, 2.0]), "none": np.ones(3)}.get(
        str(options.get("class_weights", "none")), np.array([1.0, 1.0, 5.0]))
    rows = batch(task, y.tolist())
    got = task.loss_sum(torch.from_numpy(z).float(), rows)
    want = reference_single(z, y, weight, options.get("label_smoothing", 0.0), options.get("focal_gamma", 0.0))
    assert got.dtype == torch.float32
    assert float(got) == pytest.approx(want, rel=1e-5)
    assert task.count(rows) == pytest.approx(weight[y].sum())


@pytest.mark.parametrize("options", OPTIONS)
def test_several_labels_are_the_float64_reference(options: dict[str, Any]) -> None:
    task, random = multi(**options), np.random.default_rng(1)
    z, y = random.normal(size=(20, 3)) * 2, random.integers(0, 2, (20, 3))
    weight = {"balanced": np.array([2 / 4, 4 / 2, 5 / 1]), "none": np.ones(3)}.get(
        str(options.get("class_weights", "none")), np.array([1.0, 1.0, 5.0]))
    rows = batch(task, [tuple(map(float, r)) for r in y])
    got = task.loss_sum(torch.from_numpy(z).float(), rows)
    want = reference_multi(z, y, weight, options.get("label_smoothing", 0.0), options.get("focal_gamma", 0.0))
    assert float(got) == pytest.approx(want, rel=1e-5)
    assert task.count(rows) == 20


def test_weighted_mean_is_torchs() -> None:
    task = single(class_weights="balanced", label_smoothing=0.1)
    z, y = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), [0, 1, 2] * 4
    rows = batch(task, y)
    want = torch.nn.CrossEntropyLoss(torch.tensor([6 / 9, 1.0, 2.0]), label_smoothing=0.1)(z, torch.tensor(y))
    assert float(task.loss_sum(z, rows)) / task.count(rows) == pytest.approx(float(want), rel=1e-5)


@pytest.mark.parametrize(("options", "delta"), [({}, None), ({"loss": "huber"}, 1.0),
                                                ({"loss": "huber", "huber_delta": 0.3}, 0.3)])
def test_numbers_are_the_float64_reference(options: dict[str, Any], delta: float | None) -> None:
    task, random = number(**options), np.random.default_rng(2)
    z, y = random.normal(size=20) * 2, random.normal(size=20)
    d = np.abs(z - y)
    want = d**2 if delta is None else np.where(d <= delta, d**2 / 2, delta * (d - delta / 2))
    got = task.loss_sum(torch.from_numpy(z).float()[:, None], batch(task, y.tolist()))
    assert float(got) == pytest.approx(want.sum(), rel=1e-5)


@pytest.mark.parametrize("make", [lambda: single(class_weights="balanced", focal_gamma=1.0), multi, number])
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_loss_and_count_do_not_depend_on_the_split(make: Any, data: st.DataObject) -> None:
    task = make()
    n = data.draw(st.integers(2, 12))
    cut = data.draw(st.integers(1, n - 1))
    windows = data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
    random = np.random.default_rng(n)
    outputs = task.head().outputs
    targets = {"single_label_classification": lambda: int(random.integers(0, 3)),
               "multi_label_classification": lambda: tuple(map(float, random.integers(0, 2, 3))),
               "regression": lambda: float(random.normal())}[task.head().problem_type]
    y = [targets() for _ in range(n)]
    z = torch.randn(sum(windows), outputs, generator=torch.Generator().manual_seed(n))
    at = sum(windows[:cut])
    whole = batch(task, y, windows)
    parts = [(z[:at], batch(task, y[:cut], windows[:cut])), (z[at:], batch(task, y[cut:], windows[cut:]))]
    assert float(task.loss_sum(z, whole)) == pytest.approx(sum(float(task.loss_sum(*p)) for p in parts), rel=1e-5)
    assert task.count(whole) == pytest.approx(sum(task.count(b) for _, b in parts))
    assert len(task.rows(z, whole)) == n


def test_windows_are_averaged_before_the_loss() -> None:
    task = single()
    z = torch.tensor([[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [1.0, 1.0, 1.0]])
    rows = batch(task, [1, 0], windows=[2, 1])
    assert np.stack(task.rows(z, rows)).tolist() == [[1.0, 2.0, 0.0], [1.0, 1.0, 1.0]]
    plain = batch(task, [1, 0])
    assert float(task.loss_sum(z, rows)) == pytest.approx(float(task.loss_sum(torch.from_numpy(np.stack(task.rows(z, rows))), plain)))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_a_sure_answer_has_a_finite_gradient(gamma: float) -> None:
    for task, target in ((single(focal_gamma=gamma), 0), (multi(focal_gamma=gamma), (1.0, 0.0, 0.0))):
        z = torch.tensor([[80.0, -80.0, -80.0]], requires_grad=True)
        task.loss_sum(z, batch(task, [target])).backward()
        assert z.grad is not None and bool(torch.isfinite(z.grad).all())


def test_half_precision_outputs_are_summed_in_float32() -> None:
    task = single()
    z = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    got = task.loss_sum(z, batch(task, [0, 1, 2, 0, 1, 2, 0, 1]))
    assert got.dtype == torch.float32
    assert float(got) == pytest.approx(float(task.loss_sum(z.float(), batch(task, [0, 1, 2, 0, 1, 2, 0, 1]))))
