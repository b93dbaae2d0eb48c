"""scikit-learn estimators: texts in, labels or numbers out; for pipelines, cross-validation and searches.

>>> from weitiao.sklearn import TextClassifier
>>> model = TextClassifier(model="e5-small", epochs=5).fit(["很好吃", "太慢了", ...], ["good", "bad", ...])
>>> model.predict_proba(["服务很好"])
array([[0.04, 0.96]])
>>> cross_val_score(TextClassifier(), texts, labels, cv=5)

X is a list, array or Series of texts, or pairs of texts (two columns). A part of the rows (`split.validation`, a tenth)
chooses the best step; no test rows are set aside, for judging is the caller's affair here.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from weitiao.core.i18n import t
from weitiao.events import Event
from weitiao.example import Row
from weitiao.formats import BadRow
from weitiao.recipe import Recipe
from weitiao.run import Run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from weitiao.bundle import Bundle

Auto = Literal["auto"]


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fine-tuned classifier of texts or pairs of texts.

    Args:
        model: a starter, a folder or a hub's name; "auto": by language and size.
        method: full, lora, head, freeze, …
        epochs, learning_rate: "auto" or numbers.
        time: a budget such as "20m", or "".
        device: auto, cpu, cuda, mps.
        seed: decides every random choice.
        settings: any other settings of a recipe, e.g. {"tune": {"batch_size": 16}}.

    After `fit`: `classes_`, the sorted labels.
    """

    def __init__(self, model: str = "auto", method: str = "full", *, epochs: float | Auto = "auto",
                 learning_rate: float | Auto = "auto", time: str = "", device: str = "auto", seed: int = 1,
                 settings: Mapping[str, Any] | None = None) -> None:
        self.model, self.method, self.epochs, self.learning_rate = model, method, epochs, learning_rate
        self.time, self.device, self.seed, self.settings = time, device, seed, settings

    def fit(self, X: Any, y: Any) -> TextClassifier:
        """Tune on texts X (n) or pairs (n, 2) and labels y (n) of at least two classes.

        Raises ValueError or TypeError for other inputs, WeitiaoError for what a run raises.
        """
        texts = _texts(X)
        labels = _target(y, texts)
        check_classification_targets(labels)
        self.classes_, index = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(t("y holds one class only: {c!r}", "y 只有一个类别：{c!r}", c=self.classes_[0]))
        recipe = _recipe(self.get_params(), "classify", {"multi_label": False})
        # The task gets each class's number as its label: names such as "" or "1.0" would not come back unchanged.
        self.tuned_ = _tune(recipe, texts, [str(i) for i in index])
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(n, classes) in the order of `classes_`."""
        check_is_fitted(self, "tuned_")
        found = self.tuned_.predict(_texts(X))
        # A class all of whose rows were set aside for validation is one that the model has never met.
        rows = [[p["probabilities"].get(str(i), 0.0) for i in range(len(self.classes_))] for p in found]
        return np.array(rows, np.float64)

    def predict(self, X: Any) -> NDArray[Any]:
        """(n,) labels of the kind that `fit` was given."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[likeliest]
        return labels

    def __sklearn_tags__(self) -> Any:
        return _text_tags(super().__sklearn_tags__())


class TextRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A fine-tuned regressor on texts or pairs of texts. Arguments as for `TextClassifier`."""

    def __init__(self, model: str = "auto", method: str = "full", *, epochs: float | Auto = "auto",
                 learning_rate: float | Auto = "auto", time: str = "", device: str = "auto", seed: int = 1,
                 settings: Mapping[str, Any] | None = None) -> None:
        self.model, self.method, self.epochs, self.learning_rate = model, method, epochs, learning_rate
        self.time, self.device, self.seed, self.settings = time, device, seed, settings

    def fit(self, X: Any, y: Any) -> TextRegressor:
        """Tune on texts X (n) or pairs (n, 2) and finite numbers y (n)."""
        texts = _texts(X)
        numbers = np.asarray(_target(y, texts), np.float64)
        if not np.isfinite(numbers).all():
            raise ValueError(t("y holds NaN or infinity", "y 含有 NaN 或无穷大"))
        self.tuned_ = _tune(_recipe(self.get_params(), "regress", {}), texts, numbers.tolist())
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """(n,) numbers in the unit of y."""
        check_is_fitted(self, "tuned_")
        return np.array([p["value"] for p in self.tuned_.predict(_texts(X))], np.float64)

    def __sklearn_tags__(self) -> Any:
        return _text_tags(super().__sklearn_tags__())


class _Tuned:
    """A tuned model's folder, and the bundle loaded from it when first asked. Pickles with the folder's files in it,
    so that a copy works on another machine; the folder vanishes with the object."""

    def __init__(self, files: Mapping[str, bytes] | Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="weitiao-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        if isinstance(files, Path):
            for path in files.iterdir():
                path.rename(self.folder / path.name)
        else:
            for name, data in files.items():
                (self.folder / Path(name).name).write_bytes(data)
        self._bundle: Bundle | None = None

    def __reduce__(self) -> tuple[type[_Tuned], tuple[dict[str, bytes]]]:
        return _Tuned, ({p.name: p.read_bytes() for p in sorted(self.folder.iterdir())},)

    def predict(self, texts: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
        """One prediction a row. Raises ValueError for a text that cannot be read (an empty one)."""
        from weitiao import bundle

        if self._bundle is None:
            self._bundle = bundle.load(self.folder)
        found = []
        for row, prediction in self._bundle.predict_rows(Row(_named(x), "X", i) for i, x in enumerate(texts)):
            if isinstance(row, BadRow):
                raise ValueError(f"X[{row.line}]: {row.reason}")
            found.append(prediction)
        return found


def _tune(recipe: Recipe, texts: Sequence[tuple[str, ...]], target: Sequence[str | float]) -> _Tuned:
    """The stages up to the tuned model, in a temporary run that is gone afterwards."""
    from weitiao.prepare import prepare
    from weitiao.select import select
    from weitiao.tuning.stage import tune

    with tempfile.TemporaryDirectory(prefix="weitiao-") as name:
        data = Path(name) / "data.jsonl"
        with data.open("w", encoding="utf-8") as f:
            f.writelines(json.dumps({**_named(x), "label": y}) + "\n" for x, y in zip(texts, target, strict=True))
        columns = {k: k for k in (*_named(texts[0]), "label")}
        whole = recipe.updated({"data": {"train": [str(data)], "format": "jsonl", "encoding": "utf-8",
                                         "columns": columns, "max_bad_share": 0.0}})
        run = Run.create(Path(name) / "run", whole.to_toml(), whole.hash, {"asked": whole.hash})
        prepare(whole, run)
        tune(select(whole, run), run, on_event=_silent)
        return _Tuned(run.folder / "model")


def _recipe(params: Mapping[str, Any], task: str, options: Mapping[str, Any]) -> Recipe:
    """The estimator's parameters as a recipe; `settings` is laid over it."""
    extra = {k: dict(v) if isinstance(v, Mapping) else v for k, v in (params["settings"] or {}).items()}
    base = Recipe.build({"task": {"name": task, **options, **extra.pop("task", {})}}).updated({
        "seed": params["seed"],
        "model": {"name": params["model"]},
        "method": {"name": params["method"], **extra.pop("method", {})},
        "tune": {k: params[k] for k in ("epochs", "learning_rate", "time", "device")},
        "split": {"test": 0.0},
    })
    return base.updated(extra)


def _texts(X: Any) -> list[tuple[str, ...]]:
    """Every row as a tuple of one or two texts. Raises ValueError for shapes, TypeError for values that are no text."""
    table = np.asarray(X, dtype=object)
    if table.ndim == 1:
        table = table.reshape(-1, 1)
    if table.ndim != 2 or table.shape[1] not in (1, 2):
        raise ValueError(t("X must be texts (n) or pairs of texts (n, 2), got the shape {s}",
                           "X 应为文本 (n) 或文本对 (n, 2)，实际形状为 {s}", s=table.shape))
    if not len(table):
        raise ValueError(t("X holds no rows", "X 没有数据"))
    rows = [tuple(row) for row in table]
    for i, row in enumerate(rows):
        if not all(isinstance(x, str) for x in row):
            raise TypeError(t("X[{i}] is not a text: {x!r}", "X[{i}] 不是文本：{x!r}", i=i, x=row))
        if not all(x.strip() for x in row):
            raise ValueError(t("X[{i}] is empty", "X[{i}] 为空", i=i))
    return rows


def _target(y: Any, texts: Sequence[tuple[str, ...]]) -> NDArray[Any]:
    if y is None:
        raise ValueError(t("y is required to be passed, but is None", "必须给出 y"))
    target: NDArray[Any] = column_or_1d(y, warn=True)
    check_consistent_length(texts, target)
    return target


def _named(texts: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(("text",) if len(texts) == 1 else ("text_a", "text_b"), texts, strict=True))


def _text_tags(tags: Any) -> Any:
    tags.input_tags.string = True
    tags.input_tags.two_d_array = False
    return tags


def _silent(_: Event) -> None:
    """Estimators say nothing while they work."""
