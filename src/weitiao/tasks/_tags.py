"""Tags of words, and spans as people write them, read as entities: first place, end, label.

>>> chunks(["B-PER", "I-PER", "O", "S-LOC", "U-LOC"])
[(0, 2, 'PER'), (3, 4, 'LOC'), (4, 5, 'LOC')]
>>> spans({"time": {"text": "9 pm", "span": [43, 47]}}, text, "slots")
[(43, 47, 'time')]

Every scheme is read by one rule, that of conlleval (https://www.clips.uantwerpen.be/conll2000/chunking/conlleval.txt):
an entity begins at B and S, and at I or E where no entity of the same label goes on; it ends where that is so, and at
E and S. M is I, L is E, U and W are S; a tag without such a letter (`PER`) is I. So no sequence is unreadable, and what
a scheme would not have written is counted by `Seen`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from weitiao.core.errors import RowError
from weitiao.core.i18n import t

Chunk = tuple[int, int, str]  # begin, end (exclusive), label

_TAG = re.compile(r"([BIOESMLUW])[-_](.+)", re.DOTALL)
_SAME = {"M": "I", "L": "E", "U": "S", "W": "S"}
_START = ("start", "begin", "start_offset", "start_idx", "from")
_END = ("end", "stop", "end_offset", "end_idx", "to")
_LABEL = ("label", "type", "entity", "entity_type", "entity_group", "tag", "category")
_TEXT = ("text", "word", "value", "mention")
_PLACE = ("span", "place", "offset", "offsets")


# -- tags ----------------------------------------------------------------------------------------------------------

def split_tag(tag: str) -> tuple[str, str]:
    """Letter and label; the letter is as written.

    >>> split_tag("B-PER.NAM"), split_tag("M_LOC"), split_tag("O"), split_tag("PER")
    (('B', 'PER.NAM'), ('M', 'LOC'), ('O', ''), ('', 'PER'))
    """
    found = _TAG.fullmatch(tag)
    if found and found[1] != "O":
        return found[1], found[2]
    return ("O", "") if tag in ("O", "o") else ("", tag)


def chunks(tags: Sequence[str]) -> list[Chunk]:
    """The entities of a sequence of tags: numbers of the first word and of the one behind the last, label."""
    out: list[Chunk] = []
    begun, going = 0, ""  # where the entity that may go on began, and its label
    for i, (letter, label) in enumerate([*map(split_tag, tags), ("O", "")]):
        kind = _SAME.get(letter, letter or "I")
        if going and (kind in "BSO" or label != going):
            out.append((begun, i, going))
            going = ""
        if kind != "O" and not going:
            begun, going = i, label
        if kind in "ES" and going:
            out.append((begun, i + 1, going))
            going = ""
    return out


def scheme_faults(tags: Sequence[str]) -> Counter[str]:
    """What each scheme would not have written: `inside` (I where nothing goes on), `again` (B not behind an entity of
    the same label), `open` (E, I or an end that BIOES does not allow)."""
    out: Counter[str] = Counter()
    before, label_before = "O", ""
    for letter, label in [*map(split_tag, tags), ("O", "")]:
        kind = _SAME.get(letter, letter or "I")
        same = before != "O" and label == label_before
        going = before in "BI" and same
        out["inside"] += kind == "I" and not same
        out["again"] += kind == "B" and not same
        out["open"] += (kind in "IE") != (before in "BI") or (kind in "IE" and not going)
        before, label_before = kind, label
    return out


class Seen:
    """What was seen of the files' tags and spans: which scheme they follow, and what had to be mended."""

    def __init__(self) -> None:
        self.letters: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.spans = 0

    def add(self, tags: Sequence[str]) -> None:
        self.letters.update(split_tag(tag)[0] for tag in tags)
        self.faults += scheme_faults(tags)

    @property
    def scheme(self) -> str:
        """BMES, BILOU, BIOES, BIO, IOB1 (B only between two entities of one label), IO; "" without tags."""
        there = {x for x, n in self.letters.items() if n}
        if there & {"E", "S", "M", "L", "U", "W"}:
            return "BMES" if "M" in there else "BILOU" if there & {"L", "U"} else "BIOES"
        if not there - {"O"}:
            return ""
        if "B" not in there:
            return "IO"
        return "IOB1" if self.faults["inside"] and not self.faults["again"] else "BIO"

    @property
    def mended(self) -> int:
        """Tags that break the scheme or lack its letters, and spans that were trimmed or stood twice."""
        return self._against(self.faults, self.letters) + self.spans

    def broken(self, tags: Sequence[str]) -> int:
        """How many of these tags break the scheme that was seen so far, or lack its letters."""
        return self._against(scheme_faults(tags), Counter(split_tag(tag)[0] for tag in tags))

    def _against(self, faults: Counter[str], letters: Counter[str]) -> int:
        kind = {"BIO": "inside", "BMES": "open", "BILOU": "open", "BIOES": "open"}.get(self.scheme, "")
        return faults[kind] + (letters[""] if self.scheme not in ("IO", "") else 0)


def tag_names(values: Sequence[Any], names: Sequence[str], field: str) -> list[str]:
    """Tags as names; numbers are looked up in `names`. Raises RowError `row.bad_tag`."""
    out = []
    for value in values:
        if isinstance(value, int) and not isinstance(value, bool):
            if not 0 <= value < len(names):
                raise RowError("row.bad_tag", field, t(
                    "the tag {x} is a number; say what the numbers mean: --set 'task.tag_names=[\"O\", \"B-PER\", …]'",
                    "标签 {x} 是数字，请说明其含义：--set 'task.tag_names=[\"O\", \"B-PER\", …]'", x=value))
            value = names[value]
        if not isinstance(value, str) or not value.strip():
            raise RowError("row.bad_tag", field, t("not a tag: {x!r}", "不是标签：{x!r}", x=value))
        out.append(value.strip())
    return out


# -- spans ---------------------------------------------------------------------------------------------------------

def spans(value: Any, text: str, field: str, seen: Seen) -> list[Chunk]:
    """Entities in any of the forms people use, in the order of the text.

    Accepted: a list of {start, end, label} (usual names of these keys) or [start, end, label]; a mapping of labels to
    {"text", "span"} or a list of such; a mapping of labels to {text: [[start, end], …]}. Ends are exclusive; where an
    entity's own text says that its end is inclusive, it is read so. White space at an edge is cut off and a span that
    stands twice is taken once, both counted in `seen`.

    Raises RowError `row.bad_span`, `row.span_outside`, `row.span_text`, `row.spans_overlap`.
    """
    found: dict[Chunk, None] = {}
    for start, end, label, said in _entries(value, field):
        chunk = _checked(start, end, label, said, text, field)
        seen.spans += chunk in found or chunk[:2] not in ((start, end), (start, end + 1))
        found[chunk] = None
    out = sorted(found)
    for one, other in pairwise(out):
        if other[0] < one[1]:
            raise RowError("row.spans_overlap", field, t(
                "{a} ({x!r}) and {b} ({y!r}) overlap: a word has one tag",
                "{a}（{x!r}）与 {b}（{y!r}）重叠：一个词只能有一个标签",
                a=one[2], b=other[2], x=text[one[0]:one[1]], y=text[other[0]:other[1]]))
    return out


_Entry = tuple[Any, Any, Any, Any]  # start, end, label, its own text or None


def _entries(value: Any, field: str) -> list[_Entry]:
    if isinstance(value, Mapping):
        return [entry for label, inside in value.items() for entry in _of_label(label, inside, field)]
    if not isinstance(value, list | tuple):
        raise _bad(value, field)
    return [_entry(x, field) for x in value]


def _of_label(label: Any, inside: Any, field: str) -> list[_Entry]:
    """What stands under a label's name."""
    if isinstance(inside, Mapping) and not any(k in inside for k in (*_PLACE, *_START)):
        return [(*_pair(p, field), label, text) for text, places in inside.items() for p in _list(places, field)]
    return [_entry({"label": label, **x} if isinstance(x, Mapping) else [*_pair(x, field), label], field)
            for x in (inside if isinstance(inside, list | tuple) else [inside])]


def _entry(x: Any, field: str) -> _Entry:
    if isinstance(x, list | tuple) and len(x) == 3:
        # [label, start, end] is as usual as [start, end, label].
        return (x[1], x[2], x[0], None) if isinstance(x[0], str) and not isinstance(x[2], str) else (*x, None)
    if not isinstance(x, Mapping):
        raise _bad(x, field)
    place = _first(x, _PLACE)
    start, end = _pair(place, field) if place is not None else (_first(x, _START), _first(x, _END))
    said = _first(x, _TEXT)
    return start, end, _first(x, _LABEL), said if isinstance(said, str) else None


def _first(x: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((x[n] for n in names if n in x), None)


def _list(x: Any, field: str) -> Sequence[Any]:
    if not isinstance(x, list | tuple):
        raise _bad(x, field)
    return x


def _pair(x: Any, field: str) -> tuple[Any, Any]:
    if not isinstance(x, list | tuple) or len(x) != 2:
        raise _bad(x, field)
    return x[0], x[1]


def _checked(start: Any, end: Any, label: Any, said: str | None, text: str, field: str) -> Chunk:
    if not all(isinstance(x, int) and not isinstance(x, bool) for x in (start, end)) or not isinstance(
            label, str) or not label.strip():
        raise _bad([start, end, label], field)
    if said is not None and text[start:end] != said and text[start:end + 1] == said:
        end += 1
    if not 0 <= start < end <= len(text):
        raise RowError("row.span_outside", field, t(
            "{l} stands at {s} to {e}, the text has {n} characters", "{l} 的位置为 {s} 到 {e}，而文本只有 {n} 个字符",
            l=label, s=start, e=end, n=len(text)))
    if said is not None and text[start:end] != said:
        raise RowError("row.span_text", field, t(
            "{l}: at {s} to {e} stands {x!r}, not {y!r}", "{l}：{s} 到 {e} 处是 {x!r}，不是 {y!r}",
            l=label, s=start, e=end, x=text[start:end], y=said))
    inside = text[start:end]
    if not inside.strip():
        raise RowError("row.bad_span", field, t("{l}: nothing but white space", "{l}：只有空白", l=label))
    return start + len(inside) - len(inside.lstrip()), end - len(inside) + len(inside.rstrip()), label.strip()


def _bad(x: Any, field: str) -> RowError:
    return RowError("row.bad_span", field, t(
        "not an entity: {x}; needed are start, end and label", "不是实体：{x}；需要 start、end 与 label",
        x=json.dumps(x, ensure_ascii=False, default=str)[:80]))
