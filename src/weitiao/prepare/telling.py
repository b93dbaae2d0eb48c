"""report.json as a person reads it: the lines that the screen shows after the data was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weitiao.core.i18n import t
from weitiao.core.text import joined

_LABELS = 12  # labels that are listed with their counts


def summary(report: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Two lists of plain lines in the user's language: what was understood, and the data's verdict."""
    return _understood(report), [line for lines in (_rejected, reading, _sharing, _near, _doubled, _rare)
                                 for line in lines(report)]


# -- understood ----------------------------------------------------------------------------------------------------

def _understood(report: Mapping[str, Any]) -> list[str]:
    task = report["task"]
    columns = ", ".join(f"{role} = “{column}”" for role, column in task["columns"].items())
    language = {"zh": t("Chinese", "中文"), "en": t("English", "英文"), "other": t("other", "其他")}[report["language"]]
    lines = [t("task: {n}; {c}; language: {l}", "任务：{n}；{c}；语言：{l}", n=task["name"], c=columns, l=language),
             t("why: {r}", "依据：{r}", r=task["reason"])]
    if targets := _counted(report["counted"]) or _targets(report["targets"]["train"]):
        lines.append(targets)
    return [*lines, _parts(report)]


def _counted(counts: Mapping[str, int]) -> str:
    return t("in all parts: {s}", "全部数据中：{s}", s=", ".join(f"{name} {n:,}" for name, n in counts.items())) \
        if counts else ""


def _targets(targets: Mapping[str, Any]) -> str:
    """The labels of the training rows with their counts, or the range of its numbers."""
    if not targets:
        return ""
    if all(isinstance(n, int) for n in targets.values()):
        shown = ", ".join(f"{label} {n:,}" for label, n in list(targets.items())[:_LABELS])
        more = len(targets) - _LABELS
        if more > 0:
            last, count = list(targets.items())[-1]
            shown += t(" … {m} more, the rarest {l} {n:,}", " …… 另有 {m} 个，最少的是 {l} {n:,}",
                       m=more, l=last, n=count)
        return t("{k} labels: {s}", "{k} 个标签：{s}", k=len(targets), s=shown)
    return t("numbers from {a:g} to {b:g}, mean {m:.3g}", "数值从 {a:g} 到 {b:g}，平均 {m:.3g}",
             a=targets["min"], b=targets["max"], m=targets["mean"])


def _parts(report: Mapping[str, Any]) -> str:
    ways = {"given": t("given", "来自文件"), "column": t("by the split column", "由划分列决定"),
            "cut": t("set aside from the training rows", "从训练数据中划出"),
            "none": t("all rows are used for training", "全部用于训练")}
    parts = {"train": t("training", "训练"), "validation": t("validation", "验证"), "test": t("test", "测试")}
    shown = []
    for part, name in parts.items():
        way = report["how"].get(part, "given")
        shown.append(t("{p} {n:,}", "{p} {n:,}", p=name, n=report["rows"][part])
                     + ("" if part == "train" else t(" ({w})", "（{w}）", w=ways[way])))
    return t("rows: {s}", "行数：{s}", s=", ".join(shown))


# -- verdict -------------------------------------------------------------------------------------------------------

def _rejected(report: Mapping[str, Any]) -> list[str]:
    rows, bad = report["rows"]["read"], report["rows"]["rejected"]
    if not bad:
        return [t("{n:,} rows read, none rejected", "共读取 {n:,} 行，没有坏行", n=rows)]
    codes = ", ".join(f"{code} {n:,}" for code, n in report["rejected"]["by_code"].items())
    first = report["rejected"]["examples"][0]
    return [t("{n:,} rows read, {b:,} rejected: {c} (see prepare/rejected.jsonl); the first: {p}: {r}",
              "共读取 {n:,} 行，剔除 {b:,} 行：{c}（见 prepare/rejected.jsonl）；第一行：{p}：{r}",
              n=rows, b=bad, c=codes, p=first["place"], r=first["reason"])]


def reading(report: Mapping[str, Any]) -> list[str]:
    """How files were read where that was a decision; of the report `files` and `read` are looked at."""
    lines = []
    for file in report["files"]:
        facts = file["read_as"]
        said = []
        if facts.get("encoding", "utf-8") not in ("utf-8", "utf-8-sig"):
            said.append(t("read as {e}", "按 {e} 读取", e=facts["encoding"]))
        if facts.get("header") == "none":
            said.append(t("it has no header, so its columns are named by position", "没有表头，列名按位置确定"))
        if facts.get("quotes") == "literal":
            said.append(t("quotes are taken as characters", "引号按普通字符处理"))
        if "stray_quotes" in facts:
            said.append(t("a stray quote in {n} rows is taken as a character", "{n} 行中有不成对的引号，按普通字符处理",
                          n=facts["stray_quotes"]))
        if "sheet" in facts:
            said.append(t("sheet “{s}”", "工作表“{s}”", s=facts["sheet"]))
        if facts.get("places") == "questions":
            said.append(t("places count its questions", "位置按问题序号计"))
        if "ignored" in facts:
            said.append(t("NOT read: {i}", "未读取：{i}", i=facts["ignored"]))
        if said:
            lines.append(t("{f}: {s}", "{f}：{s}", f=file["file"], s="; ".join(said)))
    return lines + _tags(report.get("read", {}))


def _tags(read: Mapping[str, Any]) -> list[str]:
    """How the tags of words were read, and what had to be mended."""
    lines = []
    if read.get("scheme"):
        lines.append(t("the tags follow the scheme {s}", "标签体系：{s}", s=read["scheme"]))
    if read.get("mended"):
        lines.append(t("{n:,} tags or spans break the rules and were mended (an I without a beginning begins an "
                       "entity; white space at an edge is cut off; doubled spans count once)",
                       "{n:,} 个标签或区间不合规则，已修正（没有开头的 I 视为开头；去掉两端空白；重复区间只计一次）",
                       n=read["mended"]))
    if read.get("inside_words"):
        lines.append(t("{n:,} training entities begin or end within a word: such are learnt as whole words, and in the "
                       "test rows they count as missed",
                       "训练数据中有 {n:,} 个实体的边界落在词的内部：按整词学习，测试中的此类实体计为漏识",
                       n=read["inside_words"]))
    return lines


def _sharing(report: Mapping[str, Any]) -> list[str]:
    """Rows of one part that stand in another, and questions about the same passage."""
    sentences = {
        "test_in_train": t("test rows also stand in the training rows; the score is given with and without them",
                           "条测试数据也出现在训练数据中；评分会给出包含与不含它们的两种结果"),
        "validation_in_train": t("validation rows also stand in the training rows", "条验证数据也出现在训练数据中"),
        "test_in_validation": t("test rows also stand in the validation rows", "条测试数据也出现在验证数据中"),
    }
    lines = []
    for name, sentence in sentences.items():
        count, rows = report["leaks"][name]["rows"], report["rows"][name.partition("_")[0]]
        if count:
            lines.append(t("{n:,} of {a:,} ({p:.2%}) {s}", "{a:,} 条中有 {n:,}（{p:.2%}）{s}", n=count, a=rows,
                           p=count / rows, s=sentence))
    asked = {"test_in_train": t("test questions ask about a passage on which training asks, too",
                                "条测试问题所问的段落，训练数据也问到"),
             "validation_in_train": t("validation questions ask about a passage on which training asks, too",
                                      "条验证问题所问的段落，训练数据也问到")}
    for name, sentence in asked.items():
        count, rows = report["passages"].get(name, {"rows": 0})["rows"], report["rows"][name.partition("_")[0]]
        if count:
            lines.append(t("{n:,} of {a:,} ({p:.2%}) {s}: on unseen passages the score may be lower",
                           "{a:,} 条中有 {n:,}（{p:.2%}）{s}：换成没见过的段落，得分可能更低", n=count, a=rows,
                           p=count / rows, s=sentence))
    return lines


def _near(report: Mapping[str, Any]) -> list[str]:
    """Rows that differ a little from rows of another part, or would, had the split not kept them together."""
    lines = []
    sentences = {
        "test_in_train": t("test rows are copies or near copies of training rows (a tenth of the characters differs at "
                           "most)", "条测试数据与训练数据相同或近似（至多一成字符不同）"),
        "validation_in_train": t("validation rows are copies or near copies of training rows",
                                 "条验证数据与训练数据相同或近似"),
    }
    near = report["near"]
    for name, sentence in sentences.items():
        equal = report["leaks"][name]["rows"]
        if name in near and near[name]["rows"] > equal:
            lines.append(t("{n:,} {s}, {e:,} of them equal; e.g. {a} and {b}",
                           "{n:,} {s}，其中 {e:,} 条完全相同；例如 {a} 与 {b}",
                           n=near[name]["rows"], s=sentence, e=equal, a=near[name]["examples"][0][0],
                           b=near[name]["examples"][0][1]))
    if near["held_together"]:
        lines.append(t("{n:,} rows are near copies of others; the split kept such rows on one side",
                       "{n:,} 行与其他行近似重复，划分时放在同一侧", n=near["held_together"]))
    return lines


def _doubled(report: Mapping[str, Any]) -> list[str]:
    lines = []
    if doubled := report["duplicates"]["train"]:
        lines.append(t("{n:,} training rows repeat the text of another one", "训练数据中有 {n:,} 行文本重复",
                       n=doubled))
    conflicts = report["conflicts"]
    if conflicts["inputs"]:
        first = conflicts["examples"][0]
        shown = ", ".join(f"{s} → {y}" for s, y in zip(first["sources"][:2], _two(first["targets"]), strict=False))
        noun = report["task"]["noun"]
        lines.append(t("{n:,} inputs stand more than once with different {w}, e.g. {e}",
                       "有 {n:,} 个输入重复出现且{z}不同，例如 {e}", n=conflicts["inputs"], e=shown, w=noun["many"],
                       z=noun["zh"]))
    return lines


def _two(targets: list[Any]) -> list[str]:
    return [str(joined(x)) or "[]" for x in targets[:2]]


def _rare(report: Mapping[str, Any]) -> list[str]:
    lines = []
    if rare := report["rare"]:
        lines.append(t("{k} labels have a single row and will hardly be learnt: {x}",
                       "{k} 个标签只有一行数据，几乎学不到：{x}", k=len(rare), x=_listed(rare)))
    for part, name in (("validation", t("validation", "验证")), ("test", t("test", "测试"))):
        if missing := report["missing"][part]:
            lines.append(t("the {p} rows lack {k} of the labels: {x}", "{p}数据中缺少 {k} 个标签：{x}", p=name,
                           k=len(missing), x=_listed(missing)))
    return lines


def _listed(labels: list[str]) -> str:
    return ", ".join(labels[:_LABELS]) + (" …" if len(labels) > _LABELS else "")
