"""Which systems are compared: classical ones that learn from these rows alone, and pretrained bases.

>>> bases("zh", "classify", task, named=("models/my-bert",))
('e5-small', 'models/my-bert')

A base on the hub is fetched only when it is named: those that are usual for the language are told of.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib import error, request

from weitiao import models
from weitiao.tasks import Task

_RUNGS = {"sequence": ("tfidf", "vectors"), "tokens": ("context",)}
_KINDS = {"sequence": ("encoder", "decoder"), "tokens": ("encoder", "decoder"), "span": ("encoder",),
          "language": ("decoder",), "corpus": ("encoder",)}
_USUAL = {
    ("en", False): ("answerdotai/ModernBERT-base", "FacebookAI/roberta-base"),
    ("zh", False): ("BAAI/bge-small-zh-v1.5", "BAAI/bge-base-zh-v1.5"),
    ("other", False): ("intfloat/multilingual-e5-base", "FacebookAI/xlm-roberta-base"),
    ("en", True): ("HuggingFaceTB/SmolLM2-360M-Instruct", "Qwen/Qwen3-0.6B"),
    ("zh", True): ("Qwen/Qwen3-0.6B",),
    ("other", True): ("Qwen/Qwen3-0.6B",),
}
_SECONDS = 3.0  # that a hub may take to answer


def rungs(task: Task) -> tuple[str, ...]:
    """Names of `evaluate.baselines` that learn from the rows alone and answer in the task's numbers."""
    return _RUNGS.get(task.head().kind, ())


def bases(language: str, name: str, task: Task, named: Sequence[str]) -> tuple[str, ...]:
    """Names of bases: the starters that know the language and can have the task's head, unless their terms want them to
    be asked for by name, then those that were.

    Args:
        language: zh, en or other.
        name: of the task.
    """
    found = [str(c["name"]) for c in models.catalogue()
             if c["automatic"] and c["kind"] in _KINDS[task.head().kind] and _reads(c["languages"], language)]
    if name == "translate":
        found = [models.suggest(language, 0, "translation", task.state()["languages"])[0]]
    return tuple(dict.fromkeys([*found, *named]))


def _reads(languages: Sequence[str], language: str) -> bool:
    return language in languages or "multilingual" in languages


def usual(language: str, task: Task, hub: str) -> tuple[str, ...]:
    """What people take from the hub for that language and kind of task; nothing where the hub cannot be reached."""
    if hub != "huggingface" or not reachable():
        return ()
    return _USUAL[language, task.head().kind in ("language", "corpus")]


def reachable() -> bool:
    """Does the hub answer within some seconds? It is not asked where the client was told to stay offline."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with request.urlopen(request.Request(constants.ENDPOINT, method="HEAD"), timeout=_SECONDS):  # noqa: S310
            return True
    except error.HTTPError:  # it answered
        return True
    except (OSError, ValueError):
        return False
