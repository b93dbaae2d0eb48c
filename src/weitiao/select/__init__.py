"""Which base model, which settings, what it will cost: every "auto" of the recipe becomes a value with a reason.

    prepare/{report,task}.json + *.parquet  →  select/{candidates,decision}.json and the resolved Recipe

>>> resolved = select(recipe, run)
>>> resolved.model.name, resolved.tune.learning_rate
('e5-small', 0.0002)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weitiao import footprint, methods, models, tasks
from weitiao.core import files
from weitiao.core.errors import ModelError
from weitiao.core.i18n import t
from weitiao.example import Example
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.select.defaults import Facts, defaults
from weitiao.select.forecast import Sizes, forecast
from weitiao.splits import load_task, stored
from weitiao.tasks import Task

Progress = Callable[[str, int, int], None]
_SAMPLE = 2000  # training rows tokenised to see how long texts are
_LONGEST = 512


def select(recipe: Recipe, run: Run, *, progress: Progress | None = None) -> Recipe:
    """Decide, write the decision with its reasons into `select/`, and give the recipe without "auto" in its sections
    task, model, method and tune (precision, device and the evaluation rhythm are the tuning machine's to decide).

    Raises ModelError when the base cannot be had or read.
    """
    report = files.read_json(run.folder / "prepare" / "report.json")
    name, task = load_task(run)
    train = stored(run, "train")
    chosen, why_base = base_name(recipe, report["language"], len(train), name, task)
    base = models.find(chosen, hub=recipe.model.hub, revision=recipe.model.revision, progress=progress)
    tokenizer = models.tokenizer(base.folder)
    task.bind(base.kind, tokenizer)
    longest, why_length = max_length(recipe, base)
    sizes = _sizes(task, train, tokenizer, longest)
    facts = Facts(rows=sizes.rows, outputs=task.head().outputs, kind=base.kind, parameters=base.parameters,
                  embedding_parameters=base.embedding_parameters, method=recipe.method["name"], task=name,
                  gpu=_on_gpu(recipe.tune.device),
                  compares=task.head().kind == "sequence" and len(task.roles) > 1)
    values, reasons = defaults(facts)
    tune = {k: v for k, v in values.items() if getattr(recipe.tune, k) == "auto"}
    options = task.options.model_dump(mode="json")
    resolved = recipe.updated({
        "task": {"name": name, **options},
        "data": {"columns": dict(task.columns)},
        "model": {"name": chosen, "max_length": longest},
        "method": {"name": recipe.method["name"],
                   **methods.load(recipe.method["name"]).Options(
                       **{k: v for k, v in recipe.method.items() if k != "name"}).model_dump(mode="json")},
        "tune": tune,
    })
    asks_base = bool(footprint.BASE_READERS.intersection(tasks.baselines(task, recipe.evaluate.baselines)))
    cost = forecast(resolved, base, sizes, task.head().kind, frozen=asks_base)
    with run.stage("select") as folder:
        files.write_json(folder / "candidates.json", [c for c in models.catalogue() if c["kind"] == base.kind])
        files.write_json(folder / "decision.json", {
            "base": {"name": base.name, "family": base.family, "kind": base.kind, "parameters": base.parameters,
                     "embedding_parameters": base.embedding_parameters, "source": base.source,
                     "licence": _licence(base.name), "reason": why_base},
            "method": {"name": recipe.method["name"]},
            "max_length": {"value": longest, "reason": why_length},
            "tune": {"values": tune, "reasons": {k: reasons[k] for k in tune if k in reasons}},
            "forecast": cost,
        })
    return resolved


def summary(decision: dict[str, Any], recipe: Recipe) -> list[str]:
    """The plan in plain lines: base model, method, steps, time, memory, disk."""
    base, cost = decision["base"], decision["forecast"]
    return [
        t("base model {n} ({p} million parameters): {r}", "基座模型 {n}（{p} 百万参数）：{r}", n=base["name"],
          p=round(base["parameters"] / 1e6), r=base["reason"]),
        t("method {m}, {e:g} epochs of {s} steps, batch {b}, learning rate {lr:g}, at most {l} tokens ({r})",
          "方法 {m}，{e:g} 轮，每轮 {s} 步，批大小 {b}，学习率 {lr:g}，最多 {l} 个词元（{r}）",
          m=recipe.method["name"], e=recipe.tune.epochs, s=cost["steps_per_epoch"], b=recipe.tune.batch_size,
          lr=recipe.tune.learning_rate, l=recipe.model.max_length, r=decision["max_length"]["reason"]),
        t("about {m} of tuning, {g:.1f} GB of memory, {d:.1f} GB of disk (a rough forecast)",
          "预计训练约 {m}，内存 {g:.1f} GB，磁盘 {d:.1f} GB（粗略估计）",
          m=_duration(cost["seconds"]), g=cost["memory_gb"], d=cost["disk_gb"]),
    ]


def _sizes(task: Task, examples: Sequence[Example], tokenizer: Any, max_length: int) -> Sizes:
    some = examples[:_SAMPLE]
    encoded = task.encode(some, tokenizer, max_length)
    lengths = [len(window) for row in encoded for window in row.windows]
    if task.head().kind == "corpus":
        return Sizes(round(len(examples) * len(lengths) / len(some)), sum(lengths) / len(lengths), max(lengths))
    return Sizes(len(examples), sum(lengths) / len(some), max(lengths))


def base_name(recipe: Recipe, language: str, rows: int, name: str, task: Task) -> tuple[str, str]:
    """The base model for so many rows of that language ("zh", "en", "other") and the task of that name, and why.
    Raises ModelError `model.must_be_named`."""
    if recipe.model.name != "auto":
        return recipe.model.name, t("you named it", "由您指定")
    if name == "translate":
        return models.suggest(language, rows, "translation", task.state()["languages"])
    return models.suggest(language, rows, task.head().kind)


def _on_gpu(device: str) -> bool:
    """Whether it will compute on one, as far as can be known before."""
    import torch

    return device not in ("auto", "cpu") or (
        device == "auto" and (torch.cuda.is_available() or torch.backends.mps.is_available()))


def _licence(name: str) -> str:
    """A starter's licence; "" where only its owner's page says it."""
    return next((str(c["licence"]) for c in models.catalogue() if c["name"] == name), "")


def max_length(recipe: Recipe, base: models.Base) -> tuple[int, str]:
    """How many tokens of a text are read, and why: what was asked for, else 512 or what the model can read. Padding
    follows the texts, so a limit that no text reaches costs nothing; 512 bounds what a few very long ones can cost."""
    wanted = recipe.model.max_length
    if wanted == "auto":
        return min(base.max_positions, _LONGEST), t("the usual limit; padding follows the texts",
                                                    "常用上限；填充长度随文本而定")
    if wanted > base.max_positions:
        raise ModelError("model.too_long", t("{n} reads at most {m} tokens", "{n} 最多读取 {m} 个词元",
                                             n=base.name, m=base.max_positions),
                         where="model.max_length", expected=f"1 … {base.max_positions}",
                         fix=t("set model.long_texts=windows to read longer texts whole",
                               "设 model.long_texts=windows 可读完整长文本"))
    return wanted, t("you named it", "由您指定")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return t("{s} s", "{s} 秒", s=round(seconds))
    return t("{m} min", "{m} 分钟", m=round(seconds / 60))
