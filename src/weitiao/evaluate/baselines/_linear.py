"""Linear models on given features, their strength chosen on a part of the training rows.

>>> model = fit(matrix, numbers, task, SparseLinear, GRID)
>>> model(test_matrix).shape        # logits, as the tuned model's
(1200, 3)

Sparse TF-IDF: a linear support vector machine for each label against the rest, or ridge regression. Dense features
of an encoder: logistic regression (softmax or one sigmoid a label), or ridge regression.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from weitiao.core import seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from weitiao.tasks import TextTask

    Array = NDArray[np.float64]
    Numbers = NDArray[Any]  # what `Task.numbers` gives

Kind = Literal["single_label_classification", "multi_label_classification", "regression", ""]
Model = Callable[[Any], Any]  # features (n, d) -> logits (n, outputs)
Fitter = Callable[[Any, Any, int, Kind, float], Model]

SPARSE_GRID = (0.1, 0.4, 1.6)  # C of the support vector machine, 1 / alpha of ridge
DENSE_GRID = (1e-4, 1e-3, 1e-2, 1e-1)  # weight of half the squared coefficients beside the mean loss
_LEAST = 20  # rows below which nothing is chosen
_HOPELESS = 0.01  # this much worse than the best so far: larger strengths will not be better
_BUDGET = 600_000  # rows x outputs that are used to choose
_NEVER = -10.0  # logit of a label that the rows at hand do not have


@dataclass(frozen=True, slots=True)
class Fitted:
    """A linear model, the strength that was chosen, and the threshold that its own outputs want."""

    model: Model
    strength: float
    threshold: float


def fit(x: Any, y: Numbers, task: TextTask, fitter: Fitter, grid: tuple[float, ...], seed: int) -> Fitted:
    """The model of all rows, with the strength that scores best on a quarter of (a sample of) them.

    Args:
        x: (n, d) features, sparse or dense.
        y: `task.numbers` of the targets.
        task: says how outputs are scored.
    """
    head = task.head()
    kind = head.problem_type
    strength, threshold = grid[len(grid) // 2], 0.5
    order = seeds.rng(seed, "baseline").permutation(len(y))[: max(_LEAST, _BUDGET // head.outputs)]
    if len(order) >= _LEAST:
        held, rest = np.split(order, [len(order) // 4])
        tried: list[tuple[float, float, float]] = []
        for value in grid:
            model = fitter(x[rest], y[rest], head.outputs, kind, value)
            tried.append((*_judge(model(x[held]), y[held], kind), value))
            if tried[-1][0] < max(tried)[0] - _HOPELESS:
                break
        _, threshold, strength = max(tried, key=lambda got: got[0])
    return Fitted(fitter(x, y, head.outputs, kind, strength), strength, threshold)


def _judge(logits: Array, y: Numbers, kind: Kind) -> tuple[float, float]:
    """How good (larger is better), and the best threshold where there are several labels a row."""
    if kind == "regression":
        return -float(((logits[:, 0] - y) ** 2).mean()), 0.5
    if kind == "single_label_classification":
        return float((logits.argmax(1) == y).mean()), 0.5
    from weitiao.metrics.multilabel import best_threshold, quick

    p = 1 / (1 + np.exp(-logits))
    threshold = best_threshold(p, y)
    return quick(p, y, threshold)["f1_micro"], threshold


def shift(logits: Array, threshold: float, wanted: float) -> Array:
    """Logits moved so that probability `threshold` becomes `wanted`: systems are compared at their own thresholds."""
    return logits + (math.log(wanted / (1 - wanted)) - math.log(threshold / (1 - threshold)))


# -- sparse --------------------------------------------------------------------------------------------------------

def sparse(x: Any, y: Numbers, outputs: int, kind: Kind, strength: float) -> Model:
    """Ridge, or a linear support vector machine for each label."""
    if kind == "regression":
        from sklearn.linear_model import Ridge

        ridge = Ridge(alpha=1 / strength).fit(x, y)
        return lambda new: ridge.predict(new)[:, None]
    if kind == "multi_label_classification":
        each = [_machine(x, y[:, k], strength) for k in range(outputs)]
        # Margins are -1 and 1: twice that makes odds that are neither timid nor extreme.
        return lambda new: np.column_stack([2 * margin(new) for margin in each])
    present = np.unique(y)
    if len(present) == 1:
        return lambda new: np.where(np.arange(outputs) == present[0], 0.0, _NEVER) * np.ones((new.shape[0], 1))
    return _Several(_svc(x, y, strength), present, outputs)


class _Several:
    """Margins of a multi-class machine as logits of all labels."""

    def __init__(self, machine: Any, present: NDArray[np.int64], outputs: int) -> None:
        self.machine, self.present, self.outputs = machine, present, outputs

    def __call__(self, new: Any) -> Array:
        margin = self.machine.decision_function(new)
        out = np.full((new.shape[0], self.outputs), _NEVER)
        out[:, self.present] = np.column_stack([-margin, margin]) if margin.ndim == 1 else margin
        return out


def _machine(x: Any, y: Numbers, strength: float) -> Model:
    """One label's margin; a constant where all rows agree."""
    if y.min() == y.max():
        return lambda new: np.full(new.shape[0], 1.0 if y[0] else -1.0)
    machine = _svc(x, y, strength)
    return lambda new: machine.decision_function(new)


def _svc(x: Any, y: Numbers, strength: float) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    with warnings.catch_warnings():
        # The last digits of the margins change no answer: 1e-2 instead of 1e-4 halves the time (docs/log.md).
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # few rows of many labels
        return LinearSVC(C=strength, tol=1e-2, random_state=0).fit(x, y)


# -- dense ---------------------------------------------------------------------------------------------------------

def dense(x: Array, y: Numbers, outputs: int, kind: Kind, strength: float) -> Model:
    """Ridge or logistic regression on standardised features."""
    centre, scale = x.mean(0), np.maximum(x.std(0), 1e-6)
    model = plain((x - centre) / scale, y, outputs, kind, strength)
    return lambda new: model((new - centre) / scale)


def plain(x: Array, y: Numbers, outputs: int, kind: Kind, strength: float) -> Model:
    """Ridge or logistic regression on features as they are, by L-BFGS on all outputs at once."""
    import torch
    import torch.nn.functional as F

    rows = torch.from_numpy(np.ascontiguousarray(x, np.float32))
    truth = torch.from_numpy(np.ascontiguousarray(y)) if kind == "single_label_classification" else \
        torch.from_numpy(np.ascontiguousarray(y, np.float32))
    weight, bias = torch.zeros(rows.shape[1], outputs, requires_grad=True), torch.zeros(outputs, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, tolerance_grad=1e-5, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = rows @ weight + bias
        if kind == "regression":
            fit = F.mse_loss(logits[:, 0], truth)
        elif kind == "single_label_classification":
            fit = F.cross_entropy(logits, truth)
        else:
            fit = F.binary_cross_entropy_with_logits(logits, truth, reduction="sum") / len(rows)
        total = fit + strength / 2 * weight.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    w, b = weight.detach().double().numpy(), bias.detach().double().numpy()
    return lambda new: new @ w + b


def at_threshold(got: Fitted, logits: Array, task: TextTask) -> NDArray[np.float32]:
    """Several labels a row: moved so that the threshold of the task is this system's own best."""
    if task.head().problem_type == "multi_label_classification":
        logits = shift(logits, got.threshold, task.state()["threshold"])
    return logits.astype(np.float32)
