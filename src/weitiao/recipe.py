"""The Recipe: everything that decides a run, in small typed sections, read from TOML, flags, `--set` or Python.

>>> recipe = Recipe.parse('[tune]\\nlearning_rate = 3e-5\\n')
>>> recipe.with_set("tune.epochs=2").tune.epochs
2.0

"auto" means: decided from data, model and machine before tuning; the run's own recipe.toml holds what was decided.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from weitiao import methods, tasks
from weitiao.core.errors import RecipeError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest

Auto = Literal["auto"]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class Data(Section):
    train: tuple[str, ...] = ()
    """Files or folders with the training rows."""
    validation: tuple[str, ...] = ()
    """Files for choosing the best step; empty: a part of the training rows is set aside."""
    test: tuple[str, ...] = ()
    """Files for the final score; empty: a part of the training rows is set aside."""
    format: str = "auto"
    """A format's name, or auto: by the file's ending."""
    encoding: str = "auto"
    """A codec's name, or auto: byte-order mark, UTF-8, GB18030. latin-1 only when named here."""
    delimiter: str = "auto"
    """The field separator of csv-like files."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Role to column, e.g. {text = "comment", label = "stars"}; what is missing is inferred."""
    id: str = ""
    """Column with each row's id; empty: file:line."""
    split: str = ""
    """Column that says train, validation or test."""
    group: str = ""
    """Column whose equal values stay on one side of a split (one user, one document)."""
    time: str = ""
    """Column by which splits go from old to new."""
    max_bad_share: Share = 0.05
    """Stop when more than this share of a file's rows is rejected."""


class Clean(Section):
    unicode: Literal["none", "NFC", "NFKC"] = "none"
    """Unicode normalisation of the texts."""
    width: bool = False
    """Full-width letters and digits to half width, half-width katakana to full."""
    html: bool = False
    """Unescape HTML entities and drop tags."""
    urls: bool = False
    """Replace web addresses by [URL]."""
    mentions: bool = False
    """Replace @names by @user."""
    chinese: Literal["none", "simplified", "traditional"] = "none"
    """Fold Chinese characters to one script (needs the extra zh)."""


class Check(Section):
    mode: Literal["quick", "off"] = "quick"
    """quick: look at the rows (at most 5,000 of them) before the model is chosen, and stop where they are not fit to be
    tuned on; off: do not. `weitiao check` looks at everything."""
    go_on: tuple[str, ...] = ()
    """Findings at which the run does not stop, e.g. ["leaks.sign"]."""


class Split(Section):
    validation: Share | Auto = "auto"
    """Share of the training rows set aside for validation when no file is given; auto: a tenth, at most 1,000 rows,
    and none below 2,000: so few could not tell one step from another, and the labels are worth more in training."""
    test: Share = 0.2
    """Share of the rows set aside for the final score when no file is given."""
    stratify: bool = True
    """Keep the labels' shares equal in all parts."""
    near_duplicates: bool = True
    """Keep rows whose texts differ by a tenth of their characters or less on one side of the split."""


class Model(Section):
    name: str = "auto"
    """A starter, a folder, or a name on the hub; auto: by language and size."""
    hub: Literal["huggingface", "modelscope"] = "huggingface"
    """Where names are looked up. HF_ENDPOINT is honoured."""
    revision: str = ""
    """Commit, tag or branch on the hub; empty: its default branch."""
    head: Literal["auto", "native", "mean"] = "auto"
    """native: the architecture's own head; mean: mean pooling and a linear layer; auto: mean where the checkpoint
    has no trained pooler, or says that it was trained with mean pooling."""
    max_length: Count | Auto = "auto"
    """Tokens of one text; auto: 512, or what the model can where that is less. Short texts cost nothing by it."""
    long_texts: Literal["truncate", "windows"] = "truncate"
    """windows: cut long texts into overlapping windows and average their outputs."""
    dropout: Share | Auto = "auto"
    """Dropout of the base model; auto: what its config says."""
    new_tokens: tuple[str, ...] = ()
    """Words that the tokenizer cuts into pieces and that are to be one token each, e.g. ["metformin", "<ent>"]. Their
    rows of the word embeddings learn even where the method freezes the others."""

    @field_validator("new_tokens")
    @classmethod
    def _whole(cls, tokens: tuple[str, ...]) -> tuple[str, ...]:
        for token in tokens:
            if not token or token != token.strip():
                raise ValueError(t("empty, or with white space around it: {x!r}", "为空或两端有空白：{x!r}", x=token))
            if any(0xD800 <= ord(c) < 0xE000 for c in token):
                raise ValueError(t("half a character (a surrogate): {x!r}", "含半个字符（代理码位）：{x!r}", x=token))
            if tokens.count(token) > 1:
                raise ValueError(t("named twice: {x!r}", "重复：{x!r}", x=token))
        return tokens


class Tune(Section):
    epochs: Positive | Auto = "auto"
    """Passes over the training rows."""
    steps: Count | Auto = "auto"
    """Optimiser updates; overrides epochs."""
    time: Annotated[str, Field(pattern=r"^(\d+h)?(\d+m)?(\d+s)?$")] = ""
    """A budget such as 20m or 1h30m; sets the steps from the measured speed."""
    batch_size: Count | Auto = "auto"
    """Rows of one update."""
    micro_batch_size: Count | Auto = "auto"
    """Rows of one forward pass at most; smaller than batch_size means accumulation, with equal gradients."""
    micro_batch_tokens: Count | Auto = "auto"
    """Padded tokens of one forward pass at most; auto: 2048, but 512 where texts are written on a CPU and 8192 where
    none are on a GPU."""
    learning_rate: Positive | Auto = "auto"
    """Peak rate."""
    head_learning_rate: Positive | Auto = "auto"
    """Peak rate of the new head; auto: as learning_rate."""
    head_start: Literal["auto", "random", "probe"] = "auto"
    """Where a new head begins. probe: at the linear model fitted on the untouched base's features, so that the first
    steps do not spoil what the base knows; auto: probe where the head is new and linear (on the mean, on words), else
    random."""
    optimizer: Literal["adamw", "adam", "nadam", "radam", "rmsprop", "sgd", "adafactor", "muon"] = "adamw"
    """torch.optim's class of that name."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """On matrices only, never on biases, norms and embeddings."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the rate falls after the warm-up."""
    warmup: Share = 0.1
    """Share of the steps in which the rate rises from 0."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Each layer's rate is this times the next higher one's."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Largest norm of the gradient; 0: no clipping."""
    embeddings: Literal["auto", "train", "freeze"] = "auto"
    """Word embeddings; auto: train. The optimiser holds only the rows of words that occur, so they cost little."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: bf16 where this CPU or GPU gains by it, measured; fp16 on GPUs without bf16; else fp32."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    shard: Literal["none", "full"] = "none"
    """full: several processes part weights, gradients and moments among them (FSDP2), for models too large for one."""
    checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    evaluate_every: Count | Auto = "auto"
    """Steps between validations; auto: twice an epoch, at most 20 in all."""
    save_every: Count | Auto = "auto"
    """Steps between checkpoints; auto: at each validation."""
    non_finite: Literal["stop", "skip", "roll_back"] = "stop"
    """What happens at a loss or gradient that is not a finite number. skip: that update is left out; roll_back: also
    all since the last regular checkpoint; each is recorded, and ten in a row stop the run."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Stop after this many validations without a better metric; 0: never."""
    metric: str = "auto"
    """Which validation metric chooses the best step; auto: the task's first. `loss` is allowed."""
    average: Share = 0.0
    """Exponential moving average of the weights with this decay per step, scaled up over the first steps; 0: off."""


class Evaluate(Section):
    baselines: tuple[str, ...] | Auto = "auto"
    """Simple systems on the same rows, by name; auto: all that the task has."""
    words: bool = False
    """TF-IDF on segmented words instead of characters for Chinese (needs the extra zh)."""
    stop_words: bool = False
    """Leave stop words out of TF-IDF (needs the extra zh)."""
    rows: Count | Auto = "auto"
    """At most so many test rows are scored, drawn by the seed, the same for all systems; auto: all, or 300 where
    answers are written word by word."""
    resamples: Annotated[int, Field(ge=100)] = 2000
    """Bootstrap resamples of intervals that have no formula."""


class Recipe(Section):
    """All sections. `task` and `method` hold a plug-in's name and its own options."""

    seed: Annotated[int, Field(ge=0)] = 1
    """Decides every random choice."""
    data: Data = Data()
    clean: Clean = Clean()
    check: Check = Check()
    split: Split = Split()
    task: dict[str, Any] = Field(default_factory=lambda: {"name": "auto"})
    """name = "auto" or a task's name, beside that task's options."""
    model: Model = Model()
    method: dict[str, Any] = Field(default_factory=lambda: {"name": "full"})
    """A method's name beside its options."""
    tune: Tune = Tune()
    evaluate: Evaluate = Evaluate()

    # -- reading ---------------------------------------------------------------------------------------------------

    @classmethod
    def build(cls, values: Mapping[str, Any], where: str = "") -> Recipe:
        """Check a tree of values. Raises RecipeError that names every wrong key with the nearest right one."""
        try:
            recipe = cls.model_validate(values)
        except ValidationError as e:
            raise _explain(e, where) from None
        task, method = dict(recipe.task), dict(recipe.method)
        task.setdefault("name", "auto")
        method.setdefault("name", "full")
        if task["name"] != "auto":
            task = _plugin(tasks, "task", task, where)
        method = _plugin(methods, "method", method, where)
        return recipe.model_copy(update={"task": task, "method": method})

    @classmethod
    def parse(cls, text: str, where: str = "") -> Recipe:
        """From TOML. Raises RecipeError `recipe.not_toml` with the line."""
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as e:
            raise RecipeError("recipe.not_toml", t("not valid TOML: {e}", "不是合法的 TOML：{e}", e=e), where=where,
                              fix=t("see an example with: weitiao recipe new",
                                    "示例见：weitiao recipe new")) from None
        return cls.build(values, where)

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """From a TOML file."""
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as e:
            raise RecipeError("recipe.unreadable", t("cannot be read: {e}", "无法读取：{e}", e=e),
                              where=str(path)) from None
        return cls.parse(text, str(path))

    def with_set(self, *assignments: str) -> Recipe:
        """With `section.key=value` applied; values are TOML (`3e-5`, `true`, `["a"]`), bare words are strings."""
        values = self.model_dump()
        for text in assignments:
            path, eq, value = text.partition("=")
            keys = path.strip().split(".")
            if not eq or not all(keys):
                raise RecipeError("recipe.bad_set", t("cannot read {x!r}", "无法解析 {x!r}", x=text), where="--set",
                                  expected="--set tune.learning_rate=3e-5")
            node = values
            for i, k in enumerate(keys[:-1]):
                if not isinstance(node.get(k), dict):
                    raise _unknown(".".join(keys[: i + 1]), k, list(node), "--set")
                node = node[k]
            node[keys[-1]] = _toml_value(value.strip())
        return type(self).build(values, "--set")

    def updated(self, tree: Mapping[str, Any]) -> Recipe:
        """With a nested tree of values laid over this recipe (`task` and `method` are replaced as a whole)."""
        values = self.model_dump()
        for name, part in tree.items():
            whole = name in ("task", "method") or not isinstance(part, Mapping)
            values[name] = part if whole else {**values[name], **part}
        return type(self).build(values)

    # -- writing ---------------------------------------------------------------------------------------------------

    def to_toml(self) -> str:
        """Complete TOML: every key, also those left at their defaults."""
        return tomli_w.dumps(json.loads(self.model_dump_json()))

    @property
    def hash(self) -> str:
        """Identifies what was asked: SHA-256 of the canonical JSON, 16 hex digits."""
        text = json.dumps(json.loads(self.model_dump_json()), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """JSON Schema for editors, with the options of every task and method."""
        schema = Recipe.model_json_schema()
        for field, package in (("task", tasks), ("method", methods)):
            schema["properties"][field] = {"description": schema["properties"][field].get("description", ""),
                                           "anyOf": [_plugin_schema(package, n) for n in package.names()]}
            if field == "task":
                schema["properties"][field]["anyOf"].append(
                    {"type": "object", "properties": {"name": {"const": "auto"}}, "required": ["name"]})
        return schema


def budget_seconds(budget: str, where: str = "tune.time") -> float:
    """`90s`, `20m`, `1h30m` in seconds. Raises RecipeError `recipe.bad_value` that names the place `where`."""
    found = re.fullmatch(r"\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+)s)?\s*", budget)
    parts = [int(x or 0) for x in found.groups()] if found else [0]
    if not any(parts):
        raise RecipeError("recipe.bad_value", t("{x!r} is not a time", "{x!r} 不是时间", x=budget), where=where,
                          expected="90s, 20m, 1h30m", fix=t("write it like 20m", "请写成 20m 这样的形式"))
    return parts[0] * 3600 + parts[1] * 60 + parts[2]


def _plugin_schema(package: Any, name: str) -> dict[str, Any]:
    part: dict[str, Any] = package.load(name).Options.model_json_schema()
    part["properties"] = {"name": {"const": name}, **part.get("properties", {})}
    part["required"] = ["name"]
    return part


def _plugin(package: Any, section: str, values: dict[str, Any], where: str) -> dict[str, Any]:
    """The plug-in's options, checked by its own model and completed with its defaults."""
    name = values["name"]
    module = package.load(str(name))
    try:
        options = module.Options(**{k: v for k, v in values.items() if k != "name"})
    except ValidationError as e:
        raise _explain(e, where, section, module.Options) from None
    return {"name": name, **options.model_dump(mode="json")}


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _allowed(path: tuple[str | int, ...], model: type[BaseModel]) -> list[str]:
    """The keys that stand beside the last one of `path`."""
    here: Any = model
    for part in path[:-1]:
        here = here.model_fields[str(part)].annotation
    return list(here.model_fields)


def _unknown(path: str, key: str, allowed: list[str], where: str) -> RecipeError:
    return RecipeError("recipe.unknown_key", t("no such setting: {p}", "没有这个设置：{p}", p=path), where=where,
                       expected=", ".join(allowed),
                       fix=nearest(key, allowed) or t("see all with: weitiao recipe show",
                                                      "全部设置：weitiao recipe show"))


def _explain(e: ValidationError, where: str, prefix: str = "", model: type[BaseModel] = Recipe) -> RecipeError:
    """The first error in full, the others by name."""
    errors = e.errors()
    first = next((x for x in errors if x["type"] == "extra_forbidden"), errors[0])
    parts = tuple(p for p in first["loc"] if not (isinstance(p, str) and ("[" in p or p in ("float", "int"))))
    path = ".".join(filter(None, [prefix, *map(str, parts)]))
    if first["type"] == "extra_forbidden":
        return _unknown(path, str(parts[-1]), _allowed(parts, model), where)
    more = sorted({".".join(map(str, x["loc"][:2])) for x in errors[1:]} - {path})
    return RecipeError(
        "recipe.bad_value",
        t("{p} = {v!r} is not accepted", "{p} = {v!r} 不可用", p=path, v=first["input"]),
        where=where,
        expected="; ".join(x["msg"] for x in errors if x["loc"][:2] == first["loc"][:2]),
        fix=t("also look at: {m}", "另见：{m}", m=", ".join(more)) if more else
        t("see it explained with: weitiao recipe show", "说明见：weitiao recipe show"),
    )


