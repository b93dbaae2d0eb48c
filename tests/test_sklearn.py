"""The estimators inside scikit-learn: its checks as far as text allows, pipelines, searches, copies."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks as checks
from sklearn.utils import get_tags

from weitiao.core.errors import ModelError, RecipeError
from weitiao.sklearn import TextClassifier, TextRegressor

GOOD, BAD = ["good", "great", "love", "happy", "clean"], ["bad", "awful", "hate", "sad", "dirty"]
TEXTS = [f"the {noun} is {word}" for noun in ("movie", "food", "room", "service") for pair in zip(GOOD, BAD, strict=True)
         for word in pair]
LABELS = np.array([1, 0] * (len(TEXTS) // 2))

# scikit-learn 1.9 runs its suite on estimators that take 2-d arrays of numbers only, and skips all others. These of its
# checks need no X; the behaviours of the others are tested below with texts.
WITHOUT_X = [
    checks.check_estimator_cloneable, checks.check_estimator_tags_renamed, checks.check_valid_tag_types,
    checks.check_estimator_repr, checks.check_no_attributes_set_in_init, checks.check_mixin_order,
    checks.check_do_not_raise_errors_in_init_or_set_params, checks.check_get_params_invariance,
    checks.check_set_params, checks.check_parameters_default_constructible,
]


@pytest.fixture(scope="module")
def quick(tiny_folder: Path) -> dict[str, Any]:
    """Parameters of a run that takes a second."""
    return {"model": str(tiny_folder), "epochs": 8.0, "learning_rate": 3e-3, "device": "cpu",
            "settings": {"tune": {"batch_size": 8, "precision": "fp32"}}}


@pytest.fixture(scope="module")
def fitted(quick: dict[str, Any]) -> TextClassifier:
    return TextClassifier(**quick).fit(TEXTS, LABELS)


@pytest.mark.parametrize("estimator", [TextClassifier(), TextRegressor()], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("check", WITHOUT_X, ids=lambda c: c.__name__)
def test_scikit_learns_own_checks(check: Any, estimator: Any) -> None:
    check(type(estimator).__name__, estimator)


def test_scikit_learn_knows_that_it_takes_text() -> None:
    for estimator in (TextClassifier(), TextRegressor()):
        tags = get_tags(estimator)
        assert tags.input_tags.string and not tags.input_tags.two_d_array and tags.target_tags.required
        with pytest.warns(match="Can't test estimator"):  # a scikit-learn that tests text: look at WITHOUT_X again
            checks.check_estimator(estimator)


def test_it_learns_and_gives_back_the_labels_it_was_given(fitted: TextClassifier) -> None:
    assert fitted.score(TEXTS, LABELS) > 0.8
    p = fitted.predict_proba(TEXTS[:3])
    assert p.shape == (3, 2) and np.allclose(p.sum(1), 1) and fitted.classes_.tolist() == [0, 1]
    assert fitted.predict(TEXTS).dtype == LABELS.dtype


def test_fitting_again_gives_the_same_and_leaves_parameters_and_data_alone(fitted: TextClassifier,
                                                                           quick: dict[str, Any]) -> None:
    texts, labels = np.array(TEXTS, dtype=object), LABELS.copy()
    again = TextClassifier(**quick)
    before = repr(again.get_params())
    again.fit(texts, labels)
    assert np.array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    assert repr(again.get_params()) == before and texts.tolist() == TEXTS and np.array_equal(labels, LABELS)


def test_a_prediction_depends_on_its_own_row_only(fitted: TextClassifier) -> None:
    texts = ["bad", "the food is great and clean and i love it", "一 good"]
    whole = fitted.predict_proba(texts)
    assert np.allclose(whole[::-1], fitted.predict_proba(texts[::-1]), atol=1e-6)
    assert np.allclose(whole, np.vstack([fitted.predict_proba([x]) for x in texts]), atol=1e-6)


@pytest.mark.parametrize("labels", [np.array(["1.0", " ", "x,y"])[np.arange(len(TEXTS)) % 3],
                                    np.where(LABELS == 1, 2.0, 1.0), LABELS.astype(bool)])
def test_labels_of_any_kind_come_back(quick: dict[str, Any], labels: Any) -> None:
    model = TextClassifier(**{**quick, "epochs": 1.0}).fit(TEXTS, labels)
    assert set(model.predict(TEXTS)) <= set(labels) and model.classes_.dtype == labels.dtype
    assert model.predict_proba(TEXTS).sum() == pytest.approx(len(TEXTS))


def test_pairs_are_two_columns(quick: dict[str, Any]) -> None:
    pairs = [(a, b) for a, b in zip(TEXTS, TEXTS[1:] + TEXTS[:1], strict=True)]
    model = TextClassifier(**{**quick, "epochs": 1.0}).fit(pairs, LABELS)
    assert np.array_equal(model.predict(np.array(pairs, dtype=object)), model.predict(pairs))
    with pytest.raises(ValueError, match=r"X\[0\]"):
        model.predict(TEXTS)


def test_regression_keeps_the_unit_of_y(quick: dict[str, Any]) -> None:
    y = np.where(LABELS == 1, 1000.0, 900.0)
    model = TextRegressor(**quick).fit(TEXTS, y)
    found = model.predict(TEXTS)
    assert found.shape == y.shape and found.dtype == np.float64 and 850 < found.mean() < 1050
    assert model.score(TEXTS, y) > 0


def test_cross_validation_pipelines_and_searches(quick: dict[str, Any]) -> None:
    scores = cross_val_score(TextClassifier(**quick), TEXTS, LABELS, cv=2)
    assert scores.shape == (2,) and np.isfinite(scores).all()
    lower = FunctionTransformer(lambda texts: [x.lower() for x in texts])
    search = GridSearchCV(make_pipeline(lower, TextClassifier(**quick)), {"textclassifier__epochs": [1.0, 2.0]}, cv=2)
    search.fit([x.upper() for x in TEXTS], LABELS)
    assert search.best_params_["textclassifier__epochs"] in (1.0, 2.0)


def test_copies_predict_the_same_and_their_folders_vanish(fitted: TextClassifier) -> None:
    data = pickle.dumps(fitted)
    copy = pickle.loads(data)
    folder = copy.tuned_.folder
    assert np.array_equal(copy.predict_proba(TEXTS), fitted.predict_proba(TEXTS)) and folder != fitted.tuned_.folder
    del copy
    assert not folder.exists()
    assert not hasattr(clone(fitted), "tuned_")


def test_nothing_is_left_in_the_temporary_folder(quick: dict[str, Any], tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model = TextClassifier(**{**quick, "epochs": 1.0}).fit(TEXTS, LABELS)
    assert list(tmp_path.iterdir()) == [model.tuned_.folder]
    del model
    with pytest.raises(ModelError):
        TextClassifier(model="no-such-model-anywhere").fit(TEXTS, LABELS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("X", "y", "error", "says"), [
    (TEXTS, None, ValueError, "required to be passed"),
    (TEXTS, LABELS[:-1], ValueError, "inconsistent"),
    (TEXTS, np.zeros(len(TEXTS)), ValueError, "one class"),
    (TEXTS, np.linspace(0, 1, len(TEXTS)), ValueError, "[Cc]ontinuous"),
    ([1.0, 2.0], [0, 1], TypeError, r"X\[0\] is not a text"),
    (["a", None], [0, 1], TypeError, r"X\[1\]"),
    (np.zeros((2, 3)), [0, 1], ValueError, "shape"),
    ("one text", [0], ValueError, "shape"),
    (["a", " "], [0, 1], ValueError, r"X\[1\] is empty"),
    ([], [], ValueError, "no rows"),
    (TEXTS, np.vstack([LABELS, LABELS]).T, ValueError, "1d"),
])
def test_wrong_data_is_refused_in_scikit_learns_way(X: Any, y: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        TextClassifier().fit(X, y)


def test_wrong_numbers_and_settings_are_refused(fitted: TextClassifier) -> None:
    with pytest.raises(ValueError, match="NaN"):
        TextRegressor().fit(TEXTS, np.full(len(TEXTS), np.nan))
    with pytest.raises(NotFittedError):
        TextClassifier().predict(TEXTS)
    with pytest.raises(RecipeError, match="learning_rate"):
        TextClassifier(settings={"tune": {"lerning_rate": 1}}).fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match=r"X\[1\]"):
        fitted.predict(["good", "  "])
