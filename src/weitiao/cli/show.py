"""`weitiao show data FILE|RUN [--mask]`: rows as they are read, and with --mask what a model would learn of them.

    chats.jsonl:1
    <|im_start|>user↵Hi<|im_end|>↵<|im_start|>assistant↵⟦Hello.<|im_end|>⟧

What is learnt is green on a terminal and stands in ⟦ ⟧ elsewhere.
"""

from __future__ import annotations

from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weitiao.cli.guard import UsageError
from weitiao.cli.options import Columns, Json, Lang, Quiet, pairs
from weitiao.core.errors import RowError
from weitiao.core.i18n import t
from weitiao.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weitiao.example import Example
    from weitiao.recipe import Model
    from weitiao.tasks import Encoded, Task

_FITTED = 2000  # rows of a file from which a task learns its labels here


def data(
    source: Annotated[Path, typer.Argument(metavar="FILE|RUN", help=t(
        "A file of rows, or a run's folder.", "数据文件或运行目录。"))],
    mask: Annotated[bool, typer.Option("--mask", help=t(
        "Show the tokens as text and mark what is learnt.", "显示词元文本，并标出要学习的部分。"))] = False,
    model: Annotated[str, typer.Option(metavar="NAME", help=t(
        "Whose tokens; a run knows its own.", "用哪个模型的分词器；运行目录自带。"))] = "auto",
    task: Annotated[str, typer.Option(metavar="NAME", help=t("Else guessed.", "默认自动判断。"))] = "auto",
    columns: Columns = "",
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help=t("How many.", "显示几行。"))] = 5,
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> None:
    """One parameter a flag; see `weitiao show data --help`."""
    run = (source / "recipe.toml").is_file()
    made, examples, base = _of_run(source, rows) if run else _of_file(source, task, pairs(columns, "--columns"), rows,
                                                                     model)
    with Screen(quiet=quiet, as_json=as_json) as screen:
        shown = _masked(made, examples, base, screen) if mask else _plain(examples, screen)
        if as_json or quiet:
            screen.result({"rows": shown}, *(str(row["source"]) for row in shown))


def _of_run(folder: Path, rows: int) -> tuple[Task, list[Example], Model]:
    from weitiao import splits
    from weitiao.recipe import Recipe
    from weitiao.run import Run

    run = Run.open(folder)
    recipe = Recipe.read(run.folder / "recipe.toml")
    return splits.load_task(run)[1], splits.load(run, "train")[:rows], recipe.model


def _of_file(path: Path, name: str, columns: dict[str, str], rows: int,
             model: str) -> tuple[Task, list[Example], Model]:
    """The task that the file is for and its first good rows. Raises DataError as `weitiao tune` does."""
    from weitiao import models
    from weitiao.core.text import dominant_language
    from weitiao.formats import BadRow, read_rows
    from weitiao.prepare import choosing, profiling
    from weitiao.recipe import Recipe

    recipe = Recipe.build({"data": {"train": [str(path)], "columns": columns}, "task": {"name": name}})
    good = [r for r in islice(read_rows([path], "auto", "auto"), profiling.SAMPLED) if not isinstance(r, BadRow)]
    task = choosing.choose(recipe, profiling.profile(good)).task
    examples: list[Example] = []
    for row in good:
        try:
            examples.append(task.read(row))
        except RowError:  # `weitiao tune` lists such rows with their reasons
            continue
        if len(examples) == max(rows, _FITTED):
            break
    task.fit(examples)
    if model == "auto":
        texts = [str(v) for e in examples for v in e.inputs.values()]
        model = models.suggest(dominant_language(texts), len(examples), task.head().kind)[0]
    return task, examples[:rows], recipe.model.model_copy(update={"name": model})


def _plain(examples: Sequence[Example], screen: Screen) -> list[dict[str, Any]]:
    for example in examples:
        screen.say(example.source, style="dim")
        for role, value in (*example.inputs.items(), ("target", example.target)):
            screen.say(f"  {role}: {value}")
    return [{"source": e.source, "inputs": dict(e.inputs), "target": e.target} for e in examples]


def _masked(task: Task, examples: Sequence[Example], base: Model, screen: Screen) -> list[dict[str, Any]]:
    """Raises UsageError for a task that learns no tokens."""
    from weitiao import models

    if task.head().kind != "language":
        raise UsageError("cli.no_mask", t("this task learns an answer for each row, not its tokens",
                                          "该任务学习的是每行的答案，而不是词元"), where="--mask",
                         expected=t("a task that writes texts", "生成文本的任务"))
    found = models.find(base.name, hub=base.hub, revision=base.revision)
    tokenizer = models.tokenizer(found.folder)
    task.bind(found.kind, tokenizer)
    out = []
    for example, row in zip(examples, task.encode(examples, tokenizer, found.max_positions), strict=True):
        parts = [(learnt, tokenizer.decode(ids)) for learnt, ids in _runs(row, found.kind)]
        screen.say(example.source, style="dim")
        screen.marked(parts)
        out.append({"source": example.source, "tokens": row.length,
                    "parts": [{"text": text, "learnt": learnt} for learnt, text in parts]})
    return out


def _runs(row: Encoded, kind: str) -> list[tuple[bool, list[int]]]:
    """Token ids in runs that are learnt or not."""
    if kind == "encoder-decoder":
        return [(False, list(row.windows[0])), (True, list(row.target))]
    from weitiao.tasks._speaker import IGNORED

    both = zip(row.windows[0], row.target, strict=True)
    return [(learnt, [token for token, _ in run]) for learnt, run in groupby(both, lambda p: p[1] != IGNORED)]
