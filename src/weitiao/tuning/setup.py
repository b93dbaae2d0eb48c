"""Everything that stands before the first update: the plan, the stand-ins, masters, optimiser, average.

>>> with ExitStack() as stack:
...     plan, session = prepare(job, stack)      # what is changed in the model is undone when the stack closes
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer

from weitiao.core import files
from weitiao.core.errors import DataError, ModelError, RecipeError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest
from weitiao.models import grown
from weitiao.models._parts import no_linear_head
from weitiao.models.language import LanguageModel
from weitiao.recipe import Recipe
from weitiao.tasks import Task
from weitiao.tuning import attention, embeddings, fill, optim, precision, probe, schedule, sharded
from weitiao.tuning import plan as planning
from weitiao.tuning.batches import Batches
from weitiao.tuning.dropout import Dropout
from weitiao.tuning.kept import Kept
from weitiao.tuning.loop import Engine, NonFinite, Rows, accumulate
from weitiao.tuning.optim import Place
from weitiao.tuning.plan import Plan
from weitiao.tuning.ranks import ALONE, Ranks
from weitiao.tuning.session import Session
from weitiao.tuning.weights import Average, Weights

if TYPE_CHECKING:
    from weitiao.models.build import Model

TIMED = 4  # updates whose gradients are computed to see how fast it goes; the first one warms up


@dataclass(frozen=True, slots=True)
class Job:
    """What is tuned on what: see `tuning.fit`. `home` is the run's `tune/`, `tokenizer` tells one from another."""

    recipe: Recipe
    home: Path
    model: Model
    task: Task
    train: Rows
    validation: Rows
    ranks: Ranks = ALONE
    tokenizer: str = ""

    @property
    def parts(self) -> bool:
        """Do several ranks part the weights among them?"""
        return self.recipe.tune.shard == "full" and self.ranks.size > 1


def prepare(job: Job, stack: ExitStack, *, allow_inexact: bool = False) -> tuple[Plan, Session]:
    """The plan (read back when the run has begun) and the session at its beginning."""
    tune = job.recipe.tune
    metric = _metric(job)
    if not job.train.encoded:
        raise DataError("data.no_training_rows", t("there are no training rows", "没有训练行"))
    began = job.ranks.same(Plan.read(job.home))
    now = planning.fingerprint(job.recipe, job.model, (job.train.encoded, job.validation.encoded), job.tokenizer,
                               job.ranks.size)
    now["processor"] = job.ranks.same(now["processor"])  # of rank 0's host: others may have another
    inexact = planning.check_same(began.fingerprint, now, job.home.parent, allow_inexact=allow_inexact) if began else []
    refitted = job.ranks.first and _without_other_head(job, began)
    device = precision.device(began.device if began else tune.device)
    choice = job.ranks.same(precision.choose(began.precision if began else tune.precision, device,
                                             job.model.base.config.get_text_config().hidden_size))
    fills = isinstance(job.model, LanguageModel) and bool(job.model.head_parameters())
    if fills:
        with job.ranks.one_by_one():  # the first fits, the others read what it wrote
            _begin_filling(job, device, bf16=choice.name == "bf16")
    if tune.head_start == "probe" and not (job.model.probes or fills):
        raise no_linear_head()
    probes = job.model.probes and tune.head_start != "random"
    if job.parts:
        sharded.check(job.recipe, job.model, device, choice.name, fits_head=probes or fills)
        if probes:  # of a parted model no rank sees the features alone
            _begin_head(job, device)
    engine = _engine(job, stack, device, choice.name)
    if probes and not job.parts:
        _begin_head(job, device)
    plan = began or job.ranks.same(_plan(job, engine, choice, now))
    if job.ranks.first and not began:
        plan.write(job.home)
    warmup = round(tune.warmup * plan.steps)
    engine.rate = lambda step: _number(tune.learning_rate) * schedule.factor(
        step, steps=plan.steps, warmup=warmup, kind=tune.schedule)
    average = Average(engine.weights.masters, tune.average) if tune.average else None
    session = Session(job.home, engine, average, metric, tune.patience, tune.non_finite,
                      plan.save_every if tune.non_finite == "roll_back" else 0)
    session.inexact, session.refitted = inexact, refitted
    return plan, session


def _head(home: Path) -> Path:
    return home / "head.safetensors"


def _without_other_head(job: Job, began: Plan | None) -> bool:
    """Remove a fitted head that is not the plan's: it is fitted again, to the same bytes. True where it was damaged;
    without a plan it may be another machine's."""
    head = _head(job.home)
    if not head.is_file() or (began and files.sha256(head) == began.head):
        return False
    with files.writing(head):
        head.unlink()
    return began is not None


def _begin_head(job: Job, device: torch.device) -> None:
    with job.ranks.one_by_one():
        probe.begin(job.model, job.task, job.train, device, seed=job.recipe.seed,
                    most_tokens=int(job.recipe.tune.micro_batch_tokens), path=_head(job.home))


def _begin_filling(job: Job, device: torch.device, *, bf16: bool) -> None:
    if job.recipe.tune.head_start == "random":
        raise RecipeError("recipe.bad_value",
                          t("this base has no head that fills masks: with a drawn one there is no score before tuning",
                            "该基座没有填空头：随机的头无法给出训练前的分数"),
                          where="tune.head_start", expected="auto, probe",
                          fix=t("set tune.head_start=auto: the head is fitted first",
                                "请设 tune.head_start=auto：先拟合该头"))
    fill.begin(job.model.to(device), job.task, job.train, device, seed=job.recipe.seed, bf16=bf16,
               path=_head(job.home))


def _plan(job: Job, engine: Engine, choice: precision.Choice, fingerprint: dict[str, Any]) -> Plan:
    tune, rows, per_epoch = job.recipe.tune, len(job.validation.encoded), engine.batches.per_epoch
    steps = planning.steps(tune, per_epoch, rows / len(job.train.encoded), lambda: _seconds_per_update(engine))
    every = planning.evaluate_every(tune, steps, per_epoch, rows)
    save = 0 if tune.save_every == "auto" else tune.save_every
    if tune.non_finite == "roll_back":  # where it goes back to must not depend on the time that passed
        save = save or every or per_epoch
    head = files.sha256(_head(job.home)) if _head(job.home).is_file() else ""
    return Plan(str(engine.device), choice.name, steps, every, save, fingerprint, head, {"precision": choice.reason})


def _engine(job: Job, stack: ExitStack, device: torch.device, name: str) -> Engine:
    """The model made ready for training, and all that the loop needs. The rate comes with the plan."""
    recipe, tune, model = job.recipe, job.recipe.tune, job.model
    if not job.parts:
        model.to(device)
    stack.callback(model.eval)
    on_cpu = device.type == "cpu"
    if tune.embeddings == "freeze":
        model.word_embeddings().weight.requires_grad_(False)
    places = _places(model)
    _stand_in(job, stack, device, places)
    named = {name: places[id(p)] for name, p in model.named_parameters() if p.requires_grad}
    dropout = Dropout(recipe.seed, pooled=on_cpu and not tune.checkpointing)
    stack.enter_context(dropout.installed(model))
    if on_cpu and name == "bf16" and attention.applies(model.base):
        stack.enter_context(attention.installed(model.base, dropout))
    exact = list(model.exact_parameters())
    if name != "fp32":
        stack.enter_context(precision.float32_inputs(model, exact))
    if tune.checkpointing:
        _checkpoint_activations(model, stack)
    dtype = precision.DTYPES[name]
    if job.parts:
        sharded.shard(model, exact, device, dtype, job.ranks)
        dtype = torch.float32  # the parameters are the masters: layers are cast when they are put together
    weights = Weights(model, dtype, keep=exact)
    stack.callback(weights.restore)
    return Engine(model=model, task=job.task, rows=job.train, batches=_batches(job), weights=weights,
                  optimizers=_optimizers(recipe, weights, named),
                  scaler=torch.amp.GradScaler(device.type, enabled=name == "fp16"), rate=lambda _: 0.0,
                  dropout=dropout, device=device, clip=tune.clip, seed=recipe.seed, ranks=job.ranks)


def _checkpoint_activations(model: Model, stack: ExitStack) -> None:
    base = model.base
    if not base.supports_gradient_checkpointing:
        raise RecipeError("recipe.bad_value", t("{f} cannot recompute activations", "{f} 不支持重算激活",
                                                f=base.config.model_type), where="tune.checkpointing",
                          expected="false", fix=t("set tune.checkpointing=false and a smaller tune.micro_batch_size",
                                                  "请设 tune.checkpointing=false，并减小 tune.micro_batch_size"))
    base.activation_checkpointing_enable({"use_reentrant": False})
    stack.callback(base.activation_checkpointing_disable)


def _batches(job: Job) -> Batches:
    tune = job.recipe.tune
    batch = int(_number(tune.batch_size))
    micro = batch if tune.micro_batch_size == "auto" else tune.micro_batch_size
    micro = min(micro, -(-batch // job.ranks.size))  # a pass for every rank
    return Batches(job.train.sizes, seed=job.recipe.seed, batch_size=batch, micro_batch_size=micro,
                   micro_batch_tokens=int(_number(tune.micro_batch_tokens)))


def _places(model: Model) -> dict[int, Place]:
    """Where each parameter stands, by identity."""
    layers = model.layers()
    head = {id(p) for p in model.head_parameters()}
    tables = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters(recurse=False)}
    return {id(p): Place(len(layers) - 1 - i, id(p) in head, id(p) in tables)
            for i, layer in enumerate(layers) for p in layer}


def _stand_in(job: Job, stack: ExitStack, device: torch.device, places: dict[int, Place]) -> None:
    """Put the rows that learn in place of the word embeddings, where that is possible: those of the tokens in use, or
    under a method that freezes the others the new ones alone."""
    for table_id, new in stack.enter_context(grown.moving(job.model)).items():
        places[id(new)] = places[table_id]
    # With shard=full the checkpoints must have the same names on one rank, which parts nothing, as on many.
    if not embeddings.applies(job.model.base) or job.recipe.tune.shard == "full":
        return
    table = job.model.word_embeddings().weight
    used = np.unique(np.concatenate([_words(rows) for rows in (job.train, job.validation)]))
    rows = stack.enter_context(embeddings.used_rows(job.model.base, torch.from_numpy(used).to(device)))
    places[id(rows)] = places[id(table)]


def _words(rows: Rows) -> NDArray[np.int64]:
    """Token ids that occur, and that of padding."""
    if isinstance(rows.encoded, Kept):
        return np.append(rows.encoded.used(), rows.pad_id)
    return np.array([rows.pad_id, *{i for r in rows.encoded for w in r.windows for i in w}], np.int64)


def _optimizers(recipe: Recipe, weights: Weights, named: dict[str, Place]) -> list[Optimizer]:
    tune, peak = recipe.tune, _number(recipe.tune.learning_rate)
    head = peak if tune.head_learning_rate == "auto" else tune.head_learning_rate
    if not named:
        raise ModelError("model.nothing_moves", t("no parameter is left to train", "没有可训练的参数"))
    groups = optim.grouped(weights.masters, named, weight_decay=tune.weight_decay, layer_decay=tune.layer_decay,
                           head_scale=head / peak)
    return optim.build(tune.optimizer, groups, peak)


def _metric(job: Job) -> str:
    """The metric that chooses the best step. Raises RecipeError when the task has none of that name."""
    wanted = job.recipe.tune.metric
    if wanted == "loss" or not job.validation.encoded:
        return "loss"
    names = [*job.task.watched, "loss"]
    if wanted == "auto":
        return names[0]
    if wanted not in names:
        raise RecipeError("recipe.bad_value", t("this task has no metric {x!r}", "该任务没有指标 {x!r}", x=wanted),
                          where="tune.metric", expected=", ".join(names), fix=nearest(wanted, names))
    return wanted


def _seconds_per_update(engine: Engine) -> float:
    """Mean time of a gradient, over updates spread through the first epoch. Nothing moves."""
    engine.model.train()
    some = np.linspace(0, engine.batches.per_epoch - 1, TIMED).astype(int).tolist()
    spent = []
    for step in some:
        start = time.perf_counter()
        with suppress(NonFinite):  # what becomes of it the loop decides
            accumulate(engine, step, engine.batches(step))
        spent.append(time.perf_counter() - start)
    engine.weights.clear()
    return float(np.mean(spent[1:]))


def _number(value: Any) -> float:
    assert value != "auto", "select replaces every auto but the machine's own"
    return float(value)
