"""`weitiao bench`, `weitiao bench RUN`, `weitiao bench reviews.csv`: the machine's limits, and how near a run comes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from weitiao.cli.guard import UsageError
from weitiao.cli.options import (
    Device,
    Encoding,
    Format,
    Hub,
    Json,
    Lang,
    Method,
    Model,
    Quiet,
    RecipeFile,
    Roles,
    Seed,
    Source,
    Target,
    Task,
    pairs,
)
from weitiao.cli.settings import anything, named, recipe_of, spoken
from weitiao.core.i18n import t
from weitiao.screen import Screen


def bench(
    what: Annotated[list[str] | None, typer.Argument(metavar="RUN|DATA", show_default=False, help=t(
        "A run's folder, or files with labelled rows; without any of them the machine alone.",
        "运行目录，或带标签的文件；都不给则只测本机。"))] = None,
    updates: Annotated[int, typer.Option("--updates", metavar="N", min=1, help=t(
        "Updates that are measured.", "测量的更新次数。"))] = 5,
    model: Model = "",
    task: Task = "",
    source: Source = "",
    target: Target = "",
    method: Method = "",
    columns: Roles = "",
    format: Format = "auto",
    encoding: Encoding = "auto",
    recipe: RecipeFile = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=t(
        "Any setting: tune.batch_size=64.", "任意设置：tune.batch_size=64。"))] = None,
    seed: Seed = None,
    device: Device = "",
    hub: Hub = "",
    as_json: Json = False,
    quiet: Quiet = False,
    lang: Lang = None,
) -> int:
    """One parameter a flag; see `weitiao bench --help`."""
    asked = {"data": {"train": what, "columns": pairs(columns, "--columns"),
                      "format": named(format), "encoding": named(encoding)},
             "model": {"name": model, "hub": hub}, "tune": {"device": device}, "task": task, "method": method,
             "seed": seed}
    languages = {"source": source, "target": target}
    run = Path(what[0]) if what and (Path(what[0]) / "manifest.json").is_file() else None
    if run and anything({**asked, "data": {}, "tune": {}}, languages, recipe, set_, what[1:] if what else []):
        raise UsageError("cli.run_takes_no_settings",
                         t("a run is measured with its own settings", "运行按其自身的设置测量"), where="weitiao bench",
                         expected="weitiao bench RUN [--updates N] [--device NAME]",
                         fix=t("drop the other options, or name the data instead of the run",
                               "请去掉其他选项，或改为给出数据文件"))
    from weitiao import benching

    with Screen(quiet=quiet, as_json=as_json) as screen:

        def say(line: str) -> None:
            screen.say(line, style="dim")

        if run:
            found = benching.bench(run, updates=updates, device=device, say=say)
        elif what or recipe:
            settings = spoken(recipe_of(recipe, asked, set_ or []), languages)
            found = benching.recipe(settings, updates=updates, on_event=screen.show, say=say)
        else:
            found = benching.machine(device or "auto", say)
        _show(screen, found)
    return 0


def _show(screen: Screen, found: dict[str, Any]) -> None:
    training = found["training"]
    screen.part(t("This machine", "本机"), _machine(found["machine"]))
    if found["tokenizer"]:
        screen.part(t("Tokenising", "分词"), [_tokenizer(found["tokenizer"])])
    if training and not (screen.as_json or screen.quiet):
        screen.part(t("{n} updates of {b}, {m}, in {p}", "{n} 次更新：{b}、{m}、{p}", n=training["updates"],
                      b=training["model"], m=training["method"], p=training["precision"]), _training(training))
        screen.table((t("where the time went", "时间去向"), t("share", "占比"), t("an update", "每次更新")),
                     _where(training))
    if found["stages"]:
        screen.part(t("The run's stages took", "该运行各阶段耗时"),
                    [", ".join(f"{name} {seconds:.1f} s" for name, seconds in found["stages"].items())])
    screen.result(found, *_last(found))


def _machine(facts: dict[str, Any]) -> list[str]:
    known = ", ".join(f"{kind} {rate / 1e9:,.1f}" for kind, rate in facts["rates"].items())
    return [
        t("{n}; cores: {c}, threads: {h}; {i} ({u})", "{n}；{c} 核，{h} 线程；{i}（{u}）", n=facts["name"],
          c=facts["cpus"], h=facts["threads"], i=facts["cpu_capability"], u=" ".join(facts["units"]) or "–"),
        t("matrix products, 10⁹ operations a second: {k}", "矩阵乘，每秒 10⁹ 次运算：{k}", k=known),
        t("memory, read and written: {b:.1f} GB/s", "内存读写：{b:.1f} GB/s", b=facts["bandwidth"] / 1e9),
    ]


def _tokenizer(facts: dict[str, Any]) -> str:
    said = t("{r:,.0f} rows and {k:,.0f} tokens a second ({n:,} rows)", "每秒 {r:,.0f} 行、{k:,.0f} 个词元（{n:,} 行）",
             r=facts["rows_per_second"], k=facts["tokens_per_second"], n=facts["rows"])
    return said if facts["share"] is None else said + t(
        "; {s:.0%} of the tokenizer library's own rate", "；为分词库自身速度的 {s:.0%}", s=facts["share"])


def _training(facts: dict[str, Any]) -> list[str]:
    seconds = facts["seconds"]
    lines = [t("{r:,.1f} rows and {k:,.0f} tokens a second ({n:,} rows, {p:.0%} of the tokens padding)",
               "每秒 {r:,.1f} 行、{k:,.0f} 个词元（{n:,} 行，填充占 {p:.0%}）", r=facts["rows"] / seconds,
               k=facts["tokens"] / seconds, n=facts["rows"], p=facts["padding"])]
    rate = t("{o:,.1f} · 10⁹ operations a second", "每秒 {o:,.1f} · 10⁹ 次运算", o=facts["operations_per_second"] / 1e9)
    return [*lines, rate if facts["share"] is None else rate + t(
        ": {s:.0%} of what matrix products in {p} reach here", "：为本机 {p} 矩阵乘速度的 {s:.0%}", s=facts["share"],
        p=facts["precision"])]


def _where(facts: dict[str, Any]) -> list[tuple[str, str, str]]:
    names = {
        "matrix": t("matrix products", "矩阵乘"), "attention": t("attention", "注意力"), "dropout": "dropout",
        "layers": t("norms, activations, sums", "归一化、激活、加和"), "optimiser": t("optimiser", "优化器"),
        "embedding": t("embedding", "词嵌入"), "copies": t("copies", "拷贝"), "data": t("making batches", "组批"),
        "other": t("other", "其他"),
    }
    each = facts["seconds"] / facts["updates"] * 1000
    return [(names[part], f"{share:.1%}", f"{share * each:,.1f} ms")
            for part, share in sorted(facts["where"].items(), key=lambda x: -x[1])]


def _last(found: dict[str, Any]) -> tuple[str, ...]:
    training = found["training"]
    if training is None:
        fastest = max(found["machine"]["rates"].items(), key=lambda x: x[1])
        return (t("at most {r:,.1f} · 10⁹ operations a second, in {k}", "最高每秒 {r:,.1f} · 10⁹ 次运算（{k}）",
                  r=fastest[1] / 1e9, k=fastest[0]),)
    return (t("a measurement of {n} updates: other rows, and a busy machine, give other numbers",
              "以上只是 {n} 次更新的测量：数据不同或机器繁忙时结果会不同", n=training["updates"]),)
