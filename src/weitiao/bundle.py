"""A Bundle: weights, tokenizer, task and labels in one folder, and the only way to a prediction.

>>> bundle = load("runs/reviews")
>>> bundle.predict(["很好吃", "太慢了"])
[{'label': 'positive', 'probability': 0.98, ...}, {'label': 'negative', ...}]

The folder is an ordinary transformers model; `weitiao.json` beside the weights says what only we need to know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from weitiao import tasks
from weitiao._version import __version__
from weitiao.core import files, memory
from weitiao.core.clean import clean
from weitiao.core.errors import RowError, RunError
from weitiao.core.i18n import t
from weitiao.example import Example, Row
from weitiao.formats import BadRow
from weitiao.models.spec import INPUTS, HeadSpec

if TYPE_CHECKING:
    from weitiao.models.build import Model

Precision = Literal["fp32", "bf16"]
_CHUNK = 2048  # rows tokenised and sorted by length at a time: memory stays flat on files of any size


@dataclass(frozen=True, slots=True)
class Settings:
    """How texts become tensors; equal in tuning, evaluation and prediction because all read it from here.

    Args:
        max_length: tokens of one window.
        windows: long texts are cut into windows instead of truncated.
        clean: the recipe's cleaning options, applied to every text before anything else.
    """

    max_length: int
    windows: bool
    clean: Mapping[str, Any]


class Bundle:
    """A tuned model with everything needed to use it. Made by `load`."""

    def __init__(self, folder: Path, model: Model, tokenizer: Any, name: str, task: tasks.Task,
                 settings: Settings) -> None:
        self.folder, self.model, self.tokenizer = folder, model, tokenizer
        self.task_name, self.task, self.settings = name, task, settings
        self._bf16: Model | None = None

    def predict(self, inputs: Sequence[str | Sequence[str] | Mapping[str, Any]], *,
                precision: Precision = "fp32", batch_tokens: int | None = None) -> list[dict[str, Any]]:
        """Predictions for texts, pairs of texts, or rows by column (or role) name, in the same order; of so many padded
        tokens a pass, as many as `tokens_of_a_pass` finds best where none are given.

        Raises RowError for an input that the task cannot read (empty, not a text).
        """
        examples = [self.read(self._row(x, i)) for i, x in enumerate(inputs)]
        return self.task.decode(self.outputs(examples, precision=precision, batch_tokens=batch_tokens))

    def predict_rows(self, rows: Iterable[Row | BadRow], *, precision: Precision = "fp32",
                     batch_tokens: int | None = None) -> Iterator[tuple[Row | BadRow, dict[str, Any]]]:
        """Each row with its prediction, streaming in constant memory; a bad row comes back as BadRow with {}."""
        stream = iter(rows)
        while chunk := list(islice(stream, _CHUNK)):
            read = [r if isinstance(r, BadRow) else self._try(r) for r in chunk]
            examples = [e for e in read if isinstance(e, Example)]
            answers = iter(self.task.decode(self.outputs(examples, precision=precision, batch_tokens=batch_tokens)))
            for row, got in zip(chunk, read, strict=True):
                yield (got, {}) if isinstance(got, BadRow) else (row, next(answers))

    def read(self, row: Row) -> Example:
        """One row cleaned and checked as in tuning. Raises RowError."""
        example = self.task.read(row)
        return clean_example(example, self.settings.clean)

    def outputs(self, examples: Sequence[Example], *, precision: Precision = "fp32",
                batch_tokens: int | None = None) -> tasks.Outputs:
        """The model's answers in the task's own form, one a row. Batches are sorted by length and put back in order.

        Targets of examples are not looked at.
        """
        return self._all([replace(e, target=None) for e in examples], self.task.outputs, precision, batch_tokens)

    def forward(self, examples: Sequence[Example], *, batch_tokens: int = 2048) -> tasks.Outputs:
        """What one forward pass over inputs and targets says of each row (`Task.rows`)."""
        def pass_over(model: Model, batch: tasks.Batch) -> tasks.Outputs:
            inputs = {k: v.to(model.device) for k, v in batch.items() if k in INPUTS}
            return self.task.rows(model(**inputs), batch)

        return self._all(examples, pass_over, "fp32", batch_tokens)

    def _all(self, examples: Sequence[Example], ask: Callable[[Model, tasks.Batch], tasks.Outputs],
             precision: Precision, batch_tokens: int | None) -> tasks.Outputs:
        import torch

        model = self._at(precision)
        if batch_tokens is None:
            batch_tokens = tokens_of_a_pass(str(model.device), written=self.task.head().kind == "language")
        out: list[Any] = []
        spare = memory.Spare()
        for start in range(0, len(examples), _CHUNK):
            rows = self.task.encode(examples[start : start + _CHUNK], self.tokenizer, self.settings.max_length,
                                    windows=self.settings.windows)
            found: list[Any] = [None] * len(rows)
            for index in by_length([(r.length, len(r.windows)) for r in rows], batch_tokens):
                batch = self.task.collate([rows[i] for i in index], self.tokenizer.pad_token_id,
                                          self.tokenizer.padding_side)
                with torch.inference_mode():
                    for i, one in zip(index, ask(model, batch), strict=True):
                        found[i] = one
                spare.release()
            out += found
            memory.release()
        return out

    def _at(self, precision: Precision) -> Model:
        """The model in that precision. The bf16 copy is made once, when first asked for."""
        if precision == "fp32":
            return self.model
        if self._bf16 is None:
            import copy

            import torch

            self._bf16 = copy.deepcopy(self.model).to(torch.bfloat16)
        return self._bf16

    def _row(self, x: str | Sequence[str] | Mapping[str, Any], i: int) -> Row:
        columns = self.task.columns
        if isinstance(x, Mapping):
            values = {columns.get(k, k): v for k, v in x.items()}
        else:
            texts = [x] if isinstance(x, str) else list(x)
            roles = self.task.roles
            if len(texts) != len(roles):
                raise RowError("row.wrong_inputs", "",
                               t("{n} texts given, this model reads {m}", "给出 {n} 个文本，该模型需要 {m} 个",
                                 n=len(texts), m=len(roles)))
            values = {columns[r]: v for r, v in zip(roles, texts, strict=True)}
        return Row(values, "input", i + 1)

    def _try(self, row: Row) -> Example | BadRow:
        try:
            return self.read(row)
        except RowError as e:
            return BadRow(row.file, row.line, e.field, e.code, e.reason)


def clean_example(example: Example, options: Mapping[str, Any]) -> Example:
    """The example with every text input cleaned. Raises RowError `row.empty` when nothing is left of one."""
    inputs = {k: _clean(v, options) for k, v in example.inputs.items()}
    for role, value in inputs.items():
        if isinstance(value, str) and not value.strip():
            raise RowError("row.empty", role, t("empty after cleaning", "清洗后为空"))
    return replace(example, inputs=inputs)


def _clean(value: Any, options: Mapping[str, Any]) -> Any:
    """Every text in a value, that of messages included."""
    if isinstance(value, str):
        return clean(value, options)
    if isinstance(value, list):
        return [_clean(v, options) for v in value]
    return {k: _clean(v, options) for k, v in value.items()} if isinstance(value, dict) else value


def tokens_of_a_pass(device: str, *, written: bool) -> int:
    """Padded tokens of one forward pass that suit the device: what a CPU's cache does not hold costs a third of the
    speed (docs/log.md). Written answers read the weights once a token, however many rows share them: there, more."""
    return 1024 if device == "cpu" and not written else 8192


def by_length(sizes: Sequence[tuple[int, int]], batch_tokens: int) -> Iterator[list[int]]:
    """Row numbers in batches of at most `batch_tokens` padded tokens, short rows first.

    `sizes` holds (tokens of the longest window, windows) per row. A single row may exceed the budget: it is alone.
    """
    batch: list[int] = []
    windows = 0
    for i in sorted(range(len(sizes)), key=lambda i: (sizes[i][0], i)):
        length, count = sizes[i]
        if batch and (windows + count) * length > batch_tokens:
            yield batch
            batch, windows = [], 0
        batch.append(i)
        windows += count
    if batch:
        yield batch


def save(folder: Path, model: Model, tokenizer: Any, name: str, task: tasks.Task, settings: Settings,
         facts: Mapping[str, Any]) -> None:
    """Write the bundle: whole or not at all. `facts` (base model, run, versions) go into weitiao.json as they are."""
    from weitiao.models import kind_of

    with files.new_folder(folder) as tmp:
        model.save(tmp, tokenizer)
        files.write_json(tmp / "weitiao.json", {
            "format": 2,
            "weitiao": __version__,
            "task": {"name": name, "options": task.options.model_dump(mode="json"),
                     "columns": dict(task.columns), "state": task.state()},
            "max_length": settings.max_length,
            "windows": settings.windows,
            "kind": kind_of(tmp),
            "clean": dict(settings.clean),
            "weights": files.hashes(tmp, "*.safetensors"),
            **facts,
        })


def load(path: str | Path, *, device: str = "cpu") -> Bundle:
    """The bundle of a run folder or a model folder.

    Raises RunError: `bundle.missing` when there is none, `bundle.damaged` when the weights are not what was saved.
    """
    folder, facts = read_facts(path)
    for name, digest in facts["weights"].items():
        check_file(folder / name, digest)
    from weitiao.models.build import load as load_model

    return assemble(folder, facts, lambda head: load_model(folder, head).to(device))


def read_facts(path: str | Path) -> tuple[Path, dict[str, Any]]:
    """The model folder of a run folder or of itself, and what its weitiao.json says. Raises RunError as `load` does."""
    folder = Path(path)
    if (folder / "model" / "weitiao.json").is_file():
        folder = folder / "model"
    if not (folder / "weitiao.json").is_file():
        raise RunError("bundle.missing", t("there is no tuned model here", "这里没有微调好的模型"), where=str(path),
                       fix=t("name a run folder; see all with: weitiao runs", "请给出运行目录；查看全部：weitiao runs"))
    facts = files.read_json(folder / "weitiao.json")
    if facts.get("format") != 2:
        raise RunError("bundle.version",
                       t("made by another version ({v})", "由其他版本（{v}）生成", v=facts.get("weitiao")),
                       where=str(folder), fix=t("install that version of weitiao", "请安装该版本的 weitiao"))
    return folder, facts


def check_file(path: Path, digest: str) -> None:
    """Raises RunError `bundle.damaged` where the file is not what was saved."""
    if not path.is_file() or files.sha256(path) != digest:
        raise RunError("bundle.damaged", t("the weights are not those that were saved", "权重文件与保存时不一致"),
                       where=str(path), fix=t("copy the folder again or run the tuning again",
                                              "请重新复制该目录或重新训练"))


def assemble(folder: Path, facts: Mapping[str, Any], make: Callable[[HeadSpec], Model]) -> Bundle:
    """The bundle of a model folder, its task restored and met with its tokenizer; `make` gives the model."""
    from weitiao.models import tokenizer

    task = tasks.make(facts["task"]["name"], facts["task"]["options"], facts["task"]["columns"])
    task.restore(facts["task"]["state"])
    words = tokenizer(folder)
    task.bind(facts["kind"], words)
    return Bundle(folder, make(task.head()), words, facts["task"]["name"], task,
                  Settings(facts["max_length"], facts["windows"], facts["clean"]))
