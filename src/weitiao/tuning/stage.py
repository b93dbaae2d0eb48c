"""The stage tune: a run's checked rows and its resolved recipe in, `tune/` and the bundle `model/` out.

>>> tune(recipe, run, on_event=print)
>>> weitiao.load(run.folder).predict(["很好吃"])
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch

from weitiao import bundle, methods, models
from weitiao.core import files
from weitiao.core.errors import DataError, RecipeError
from weitiao.core.i18n import t
from weitiao.core.seeds import key
from weitiao.events import Event, Note
from weitiao.example import Example
from weitiao.models import grown, vocabulary
from weitiao.models.build import Model, build
from weitiao.models.control import Control
from weitiao.recipe import Recipe
from weitiao.run import Run
from weitiao.splits import Column, Stored, load_task, stored
from weitiao.tasks import Encoded, Task
from weitiao.tuning import COSTS, checkpoint, fit, fits, foretold, sharded
from weitiao.tuning.kept import FEW, Kept, identity, kept
from weitiao.tuning.loop import Rows
from weitiao.tuning.ranks import ALONE, Ranks
from weitiao.tuning.validate import rows_and_loss

_SHOWN = 8  # places named of rows of a kind


def tune(recipe: Recipe, run: Run, *, on_event: Callable[[Event], None], allow_inexact: bool = False,
         ranks: Ranks = ALONE) -> None:
    """Tune the base model on the run's training rows and save the bundle; of several ranks the first saves it.

    Raises what `fit` raises, TrainingError `plan.no_memory` and `plan.no_disk` before anything is loaded, and
    ModelError where base and method do not go together.
    """
    name, task = load_task(run)
    parts = {part: stored(run, part) for part in ("train", "validation")}
    base = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    share = ranks.share if recipe.tune.shard == "full" else 1.0
    fits.bound(recipe, base, run.folder, task.head().kind, share=share)
    made = ready(recipe, task, parts)
    for note in made.model.notes:
        on_event(Note(note))
    if ranks.first:
        held = {part: _control_rows(examples, made.rows[part], made.tokenizer) for part, examples in parts.items()}
        for text in filter(None, (_record(run, made.rows, task, made.left_out, held), _control_note(*held["train"]))):
            on_event(Note(text))
    decision = files.read_json(run.folder / "select" / "decision.json")
    validation = made.rows["validation"]
    outcome = fit(recipe, run.folder, model=made.model, task=task, train=made.rows["train"], validation=validation,
                  on_event=on_event, allow_inexact=allow_inexact, ranks=ranks, tokenizer=_told_apart(made.tokenizer))
    if not ranks.first:
        return
    if sharded.parted(made.model):
        made = _put_together(recipe, task, parts["train"], run)
    method = methods.load(recipe.method["name"])
    adapter = method.adapter(made.model)
    model = method.merge(made.model)
    if validation.encoded and task.calibrates:
        said, _ = rows_and_loss(model, task, validation, model.device,
                                most_tokens=int(recipe.tune.micro_batch_tokens))
        task.calibrate(said, validation.targets)
    bundle.save(run.folder / "model", model, made.tokenizer, name, task, made.settings, {
        "base": {k: decision["base"][k] for k in ("name", "family", "source", "licence")},
        "run": {"recipe": recipe.hash, "best_step": outcome.best_step, "precision": outcome.precision},
    })
    if adapter and (why := adapter.unfit or model.unfit):
        on_event(Note(t("no adapter is written beside the model: {w}", "不另存适配器：{w}", w=why)))
    elif adapter:
        adapter.write(run.folder / "adapter", base=str(made.base.folder), head=model.new_modules(),
                      saved=run.folder / "model", base_rows=model.base_rows,
                      facts={"method": recipe.method["name"], "own_words": len(model.new_rows),
                             "base": {"name": made.base.name,
                                      "weights": files.hashes(made.base.folder, "*.safetensors")}})
    if against := _account(run, decision["forecast"]):
        on_event(Note(against))


def _told_apart(tokenizer: Any) -> str:
    """A hash of its words, how it marks and what it adds; how it cuts texts shows in the encoded rows."""
    facts = (type(tokenizer).__name__, sorted(tokenizer.get_vocab().items()), str(tokenizer.special_tokens_map),
             str(tokenizer.chat_template), tokenizer.padding_side)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _account(run: Run, planned: Mapping[str, Any]) -> str | None:
    """Add the disk to tune/costs.json; forecast against fact in one line, where there is a forecast."""
    found = files.read_json(run.folder / "tune" / COSTS)
    size = sum(p.stat().st_size for p in run.folder.rglob("*") if p.is_file())
    found["took"] |= {"disk_gb": round(size / 1e9, 3)}
    if found["forecast"]:
        found["forecast"] |= {"disk_gb": planned["disk_gb"]}
    files.write_json(run.folder / "tune" / COSTS, found)
    return foretold.sentence(found)


def _put_together(recipe: Recipe, task: Task, train: Sequence[Example], run: Run) -> Ready:
    """The whole model anew, with the best weights of the one that the ranks have parted among them."""
    made = ready(recipe, task, {"train": train})
    best, _ = checkpoint.read(run.folder / "tune" / "best")
    with torch.no_grad():
        for name, values in best.items():
            made.model.get_parameter(name).copy_(values)
    return made


@dataclass(frozen=True, slots=True)
class Ready:
    """What tuning begins with.

    Args:
        base: the base as it was found.
        model: with the task's head on it and the method attached: `requires_grad` says what moves.
        tokenizer, settings: how texts become tensors; part of the bundle.
        rows: per part what can be learnt from or judged, as token ids.
        left_out: per part how many rows cannot.
    """

    base: models.Base
    model: Model
    tokenizer: Any
    settings: bundle.Settings
    rows: dict[str, Rows]
    left_out: dict[str, int]


def ready(recipe: Recipe, task: Task, parts: Mapping[str, Sequence[Example]]) -> Ready:
    """The model of a resolved recipe and the rows of some parts ("train" among them), which the task has met.

    Raises ModelError where base, task and method do not go together, DataError `data.all_left_out`.
    """
    method = methods.load(recipe.method["name"])
    options = method.Options(**{k: v for k, v in recipe.method.items() if k != "name"})
    base, model, tokenizer = _model(recipe, task, parts["train"], method.virtual_tokens(options))
    settings = bundle.Settings(int(recipe.model.max_length), recipe.model.long_texts == "windows",
                               recipe.clean.model_dump())
    who = (recipe.task["name"], base.kind)
    made = {part: _on_disk(examples, who, task, tokenizer, settings) or _rows(examples, task, tokenizer, settings)
            for part, examples in parts.items()}
    torch.manual_seed(key(recipe.seed, "method"))  # adapters are drawn: a resumed run must draw the same
    return Ready(base, method.attach(model, options), tokenizer, settings,
                 {part: rows for part, (rows, _) in made.items()}, {part: out for part, (_, out) in made.items()})


def _model(recipe: Recipe, task: Task, train: Sequence[Example], virtual: int) -> tuple[models.Base, Model, Any]:
    """The base, the same with what the task needs on top, and its tokenizer; the task has met them."""
    base = found = models.find(recipe.model.name, hub=recipe.model.hub, revision=recipe.model.revision)
    dropout = None if recipe.model.dropout == "auto" else float(recipe.model.dropout)
    with ExitStack() as stack:
        if base.kind == "encoder" and task.head().kind == "language":
            _needs_everything(recipe.method["name"])
            # A pair would have all words twice, and weigh each of them for every word that it says.
            base = stack.enter_context(vocabulary.shortened(base, list(_texts(train))))
        tokenizer, growth = grown.teach(models.tokenizer(base.folder), recipe.model.new_tokens, prompt=virtual,
                                        seed=recipe.seed)
        task.bind(base.kind, tokenizer)
        model = build(base, task.head(), pooling=recipe.model.head, dropout=dropout, seed=recipe.seed)
        grown.grow(model, growth)
    if base.kind == "encoder" and task.head().kind == "language":
        model.notes += (t("the vocabulary is cut to {n:,} words: those of the training texts and single characters",
                          "词表裁剪为 {n:,} 个词元：训练文本中出现的词元和单个字符", n=len(tokenizer)),)
    return found, model, tokenizer


def _needs_everything(method: str) -> None:
    if method != "full":
        raise RecipeError("recipe.bad_value",
                          t("a translator made of an encoder has new attention in every layer: all must move",
                            "由编码器构成的翻译模型每层都有新的注意力，必须全部训练"),
                          where="method.name", expected="full",
                          fix=t("use --method full, or --model with an encoder-decoder",
                                "请用 --method full，或用 --model 指定编码器-解码器"))


def _texts(examples: Sequence[Example]) -> Iterator[str]:
    for example in examples:
        for value in (*example.inputs.values(), example.target):
            yield from (str(x) for x in (value if isinstance(value, (list, tuple)) else (value,)) if x is not None)


def _on_disk(examples: Sequence[Example], who: tuple[str, str], task: Task, tokenizer: Any,
             settings: bundle.Settings) -> tuple[Rows, int] | None:
    """The same as `_rows` gives of rows that are not held in memory, where there are many and they can be kept so."""
    if not isinstance(examples, Stored) or len(examples) <= FEW or not tokenizer.is_fast:
        return None
    control = Control.of(tokenizer)
    found = kept(examples, identity(who, task, tokenizer, settings),
                 lambda some: task.encode(some, tokenizer, settings.max_length, windows=settings.windows),
                 lambda example: _holds(control, example), apart=task.head().kind == "corpus")
    if found is None:
        return None
    if not len(found):
        raise _all_left_out(settings)
    sources, targets = (Column(examples.path, column, found.places) for column in ("source", "target"))
    return Rows(found, sources, targets, tokenizer.pad_token_id, tokenizer.padding_side), found.facts["left_out"]


def _rows(examples: Sequence[Example], task: Task, tokenizer: Any, settings: bundle.Settings) -> tuple[Rows, int]:
    """The rows that can be learnt from, and how many cannot. Raises DataError `data.all_left_out`."""
    examples = list(examples)
    whole = task.encode(examples, tokenizer, settings.max_length, windows=settings.windows) if examples else []
    encoded = [row for row in whole if not row.left_out]
    examples = [e for e, row in zip(examples, whole, strict=True) if not row.left_out]
    if whole and not encoded:
        raise _all_left_out(settings)
    out = len(whole) - len(encoded)
    if task.head().kind == "corpus":  # a document's blocks are learnt as so many rows
        examples = [e for e, row in zip(examples, encoded, strict=True) for _ in row.windows]
        encoded = [block for row in encoded for block in row.apart()]
    return Rows(encoded, [e.source for e in examples], [e.target for e in examples], tokenizer.pad_token_id,
                tokenizer.padding_side), out


def _all_left_out(settings: bundle.Settings) -> DataError:
    return DataError("data.all_left_out", t("what is to be learnt is longer than {m} tokens in every row",
                                            "每一行要学习的内容都超过 {m} 个词元", m=settings.max_length),
                     fix=t("raise model.max_length", "请增大 model.max_length"))


def _control_rows(examples: Sequence[Example], rows: Rows, tokenizer: Any) -> tuple[int, list[str]]:
    """How many rows have a text that holds what reads like a control token of this model, and places of some."""
    if isinstance(rows.encoded, Kept):
        return rows.encoded.facts["control_rows"], rows.encoded.facts["control_places"]
    control = Control.of(tokenizer)
    found = [e.source for e in examples if _holds(control, e)]
    return len(found), found


def _holds(control: Control, example: Example) -> bool:
    return any(map(control.found, _texts([example])))


def _control_note(count: int, places: Sequence[str]) -> str:
    """What a person should know about such rows, "" where there are none."""
    shown = ", ".join(places[:_SHOWN]) + (" …" if count > _SHOWN else "")
    return t("{n:,} training rows hold what reads like a control token of the model ({p}): it is read as plain text, "
             "here and in prediction",
             "{n:,} 条训练数据含有与模型控制词元同形的文字（{p}）：训练和预测时都按普通文本处理", n=count,
             p=shown) if count else ""


def _record(run: Run, rows: dict[str, Rows], task: Task, left_out: dict[str, int],
            held: dict[str, tuple[int, list[str]]]) -> str:
    """Write how much of the texts is cut off, and which rows hold control tokens, to tune/encoding.json; a sentence
    when anything is cut."""
    counts = {part: {**_cuts(r.encoded), "rows_left_out": left_out[part], "control_rows": held[part][0]}
              for part, r in rows.items()}
    files.write_json(run.folder / "tune" / "encoding.json", {
        part: {**found, "control_places": held[part][1][:_SHOWN]} for part, found in counts.items()})
    cut, n = counts["train"]["rows_cut"], counts["train"]["rows"]
    out = left_out["train"]
    if not (cut or out):
        return ""
    if task.head().kind == "language":
        return t("of {n} training rows {o} are left out, what they teach being longer than the model reads, and {c} "
                 "lost {k} tokens of their prompts (model.max_length)",
                 "{n} 条训练数据中有 {o} 条要学的内容超长，未参与训练；{c} 条的提示被截去 {k} 个词元"
                 "（model.max_length）",
                 o=out, n=n + out, c=cut, k=counts["train"]["tokens_cut"])
    if task.head().kind == "span":  # passages are read whole
        return t("{c} of {n} training questions fill more than half of what the model reads: {k} tokens cut off",
                 "{n} 条训练数据中有 {c} 个问题超过模型可读长度的一半：截去 {k} 个词元", c=cut, n=n,
                 k=counts["train"]["tokens_cut"])
    return t("{c} of {n} training texts are longer than the model reads: {k} tokens cut off ({s:.1%}); "
             "model.long_texts=windows reads them whole",
             "{n} 条训练文本中有 {c} 条超长，截去 {k} 个词元（{s:.1%}）；设 model.long_texts=windows 可读全文",
             c=cut, n=n, k=counts["train"]["tokens_cut"], s=counts["train"]["share_cut"])


def _cuts(encoded: Sequence[Encoded]) -> dict[str, float]:
    found = encoded.cuts() if isinstance(encoded, Kept) else {
        "rows": len(encoded), "rows_cut": sum(r.tokens_lost > 0 for r in encoded),
        "tokens": sum(len(w) for r in encoded for w in r.windows), "tokens_cut": sum(r.tokens_lost for r in encoded)}
    cut = found["tokens_cut"]
    return {**found, "share_cut": round(cut / max(1, found["tokens"] + cut), 6)}
