"""Tagging: names, dates, slots found in a text, each with its label and its place.

    {"tokens": ["EU", "rejects", "German", "calls"], "tags": ["B-ORG", "O", "B-MISC", "O"]}
    {"text": "从8点到9点", "entities": [{"start": 1, "end": 3, "label": "from"}, {"start": 4, "end": 6, "label": "to"}]}
    {"text": "from 8 to 9 pm", "slots": {"from": {"text": "8", "span": [5, 6]}}}

Whatever the file's form, a row becomes a text and entities with offsets (characters, end exclusive) into it; words are
joined by `core.text.join_words`. The text is cut into words by one rule (`_units`), each word gets the tag O, B-label
or I-label, its first piece (a decoder's: its last) carries the loss, and answers are the likeliest legal sequence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from weitiao.core.errors import DataError, RowError
from weitiao.core.i18n import t
from weitiao.core.text import join_words
from weitiao.example import Example, Row
from weitiao.models.spec import HeadSpec
from weitiao.tasks import Batch, Encoded, Fault, Guess, Noun, Outputs, Sample, TableProfile, _shared, _tagged
from weitiao.tasks._tags import Chunk, Seen, chunks, spans, tag_names
from weitiao.tasks._units import Aligned, Place, align, by_units, units

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from weitiao.metrics import Score
    from weitiao.metrics.paired import Paired
    from weitiao.models.build import Model

_UNTAUGHT = -100  # a word whose label no training row has: no loss
_O = 0


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    tag_names: tuple[str, ...] = ()
    """What tags mean where the file gives numbers: the name of 0, of 1, …"""


@dataclass(frozen=True, slots=True)
class Tagged:
    """What is said of one text: its words and the entities found, with probabilities."""

    text: str
    units: tuple[Place, ...]
    entities: tuple[tuple[int, int, str, float], ...]


class Task:
    """See `weitiao.tasks.Task`. Targets of examples are lists of {"start", "end", "label", "text"}; outputs are
    `Tagged`, one a row."""

    BASELINES: ClassVar[tuple[str, ...]] = ("dictionary", "context", "frozen_words")
    noun: ClassVar[Noun] = Noun("tag", "tags", "标注")
    likelihood: ClassVar[bool] = False
    calibrates: ClassVar[bool] = False

    def __init__(self, options: Options, columns: Mapping[str, str]) -> None:
        self.options, self.columns = options, columns
        self.labels: tuple[str, ...] = ()
        self._seen, self._mended = Seen(), {"scheme": "", "mended": 0, "inside_words": 0}
        self._counts: Counter[str] = Counter()
        self._last = False

    @property
    def roles(self) -> tuple[str, ...]:
        return ("text",)

    @property
    def watched(self) -> tuple[str, ...]:
        return ("span_f1", "token_accuracy")

    # -- data ------------------------------------------------------------------------------------------------------

    @staticmethod
    def guess(profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
        """Words with tags, or texts with spans."""
        return _tagged.guess(profile, columns)

    def read(self, row: Row) -> Example:
        """Text and entities of one row. A row may call its text by the role's name, `text`, as well. Raises RowError:
        `row.tags_differ`, `row.bad_tag`, `row.bad_token`, and what `_tags.spans` raises."""
        column = self.columns["text"]
        column = column if column in row.values else "text"
        given = row.values.get(column)
        words = _tagged.words(given, column)
        present, value = _shared.target_value(row, self.columns)
        field = self.columns.get("label", "")
        value = _tagged.target(value, field) if present else None
        if words is None and _tagged.are_tags(value) and isinstance(given, str) and given.strip():
            words = _tagged.words_for(given, len(value or ()))
        if words is None:
            text = _shared.read_texts(row, {"text": column})["text"]
            found = spans(value, text, field, self._seen) if present else None
        else:
            text, places = join_words(words)
            text = _shared.read_texts(Row({column: text}, row.file, row.line), {"text": column})["text"]
            found = self._from_tags(value, places, field) if present else None
        target = None if found is None else [{"start": a, "end": b, "label": name, "text": text[a:b]}
                                             for a, b, name in found]
        return Example(row.source, {"text": text}, target, row.source)

    def _from_tags(self, value: Any, places: Sequence[Place], field: str) -> list[Chunk]:
        if not isinstance(value, list) or len(value) != len(places):
            n = len(value) if isinstance(value, list) else 0
            raise RowError("row.tags_differ", field, t("{k} words and {n} tags", "{k} 个词，{n} 个标签",
                                                       k=len(places), n=n))
        tags = tag_names(value, self.options.tag_names, field)
        self._seen.add(tags)
        return [(places[a][0], places[b - 1][1], name) for a, b, name in chunks(tags)]

    def faults(self, row: Row, example: Example) -> Iterable[Fault]:
        """Tags that break the files' scheme, as far as it shows yet; spans that were mended; ends within a word."""
        field = self.columns.get("label", "")
        value, own = _tagged.target(row.values[field], field), Seen()
        if _tagged.are_tags(value):
            mended = self._seen.broken(tag_names(value, self.options.tag_names, field))
        else:
            spans(value, example.inputs["text"], field, own)
            mended = own.spans
        for _ in range(mended):
            yield Fault("tags_broken", "label", t("a tag or a span that breaks the rules", "标签或区间不合规则"))
        for text in _within_words(example.target, units(example.inputs["text"])):
            yield Fault("off_border", "label", t("begins or ends within a word: {x}", "边界落在词的内部：{x}", x=text))

    def fit(self, examples: Sequence[Example]) -> None:
        """Learn the labels. Raises DataError `data.no_labels`."""
        self._counts = Counter(x["label"] for e in examples if e.target is not None for x in e.target)
        if not self._counts:
            raise DataError("data.no_labels", t("no row has an entity", "没有任何一行含有实体"),
                            where=self.columns.get("label", ""),
                            fix=t("name the column with --columns label=…", "请用 --columns label=… 指明标注列"))
        self.labels = tuple(sorted(self._counts))
        inside = sum(len(_within_words(e.target, units(e.inputs["text"]))) for e in examples if e.target)
        self._mended = {"scheme": self._seen.scheme, "mended": self._seen.mended, "inside_words": inside}

    def state(self) -> dict[str, Any]:
        return {"labels": list(self.labels), "read": dict(self._mended)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.labels, self._mended = tuple(state["labels"]), dict(state["read"])

    def strata(self, example: Example) -> str:
        """The rarest of the row's labels; "" without entities."""
        names = {x["label"] for x in example.target or ()}
        return min(names, key=lambda n: (self._counts[n], n), default="")

    def bind(self, kind: str, tokenizer: Any) -> None:
        """Let the tokenizer keep to the words; a decoder sees a word whole at its last piece only."""
        by_units(tokenizer)
        self._last = kind == "decoder"

    def check_target(self, target: Any) -> None:
        """Any entities: a label that no training row has is a miss, and the row's other entities still count."""

    def tally(self, targets: Sequence[Any]) -> dict[str, Any]:
        """Label to entities, the most frequent first."""
        return dict(Counter(x["label"] for target in targets for x in target).most_common())

    @property
    def tags(self) -> tuple[str, ...]:
        """O, then B and I of each label: the outputs' names."""
        return ("O", *(f"{letter}-{name}" for name in self.labels for letter in "BI"))

    def head(self) -> HeadSpec:
        return HeadSpec(len(self.tags), labels=self.tags, kind="tokens")

    # -- numbers ---------------------------------------------------------------------------------------------------

    def encode(self, examples: Sequence[Example], tokenizer: Any, max_length: int, *,
               windows: bool = False) -> list[Encoded]:
        """Pieces; the target is the tag of each word that has a piece (an untaught label: no loss)."""
        texts = [e.inputs["text"] for e in examples]
        aligned = align(texts, tokenizer, max_length, windows=windows, last=self._last)
        return [Encoded(a.windows, a.types, self._numbers(e.target, a), a.lost, (e.inputs["text"], a.units, a.places))
                for e, a in zip(examples, aligned, strict=True)]

    def _numbers(self, target: Any, aligned: Aligned) -> tuple[int, ...] | None:
        if target is None:
            return None
        tags = self.tag_numbers([(x["start"], x["end"], x["label"]) for x in target], aligned.units)
        return tuple(tags[word] for word, _, _ in aligned.places)

    def tag_numbers(self, found: Sequence[tuple[Any, ...]], words: Sequence[Place]) -> list[int]:
        """The tag of each word, from entities (start, end, label, …): a word belongs to the first entity it touches."""
        index = {name: k for k, name in enumerate(self.labels)}
        out = [_O] * len(words)
        free = 0
        for start, end, name, *_ in found:
            first = True
            for i in range(free, len(words)):
                if words[i][0] >= end:
                    break
                free = i + 1
                if words[i][1] > start:
                    k = index.get(name)
                    out[i] = _UNTAUGHT if k is None else (1 if first else 2) + 2 * k
                    first = False
        return out

    def collate(self, rows: Sequence[Encoded], pad_id: int, pad_side: str) -> Batch:
        """Beside the usual: `place` (N,), positions in the flattened (W, T) of the N words; `notes`, one a row."""
        import torch

        batch = _shared.collate(rows, pad_id, pad_side)
        width = batch["input_ids"].shape[1]
        place, above = [], 0
        for row in rows:
            shift = [width - len(w) if pad_side == "left" else 0 for w in row.windows]
            place += [(above + window) * width + shift[window] + column for _, window, column in row.notes[2]]
            above += len(row.windows)
        batch["place"] = torch.tensor(place, dtype=torch.int64)
        batch["notes"] = [row.notes for row in rows]
        if all(row.target is not None for row in rows):
            batch["targets"] = torch.tensor([x for row in rows for x in row.target], dtype=torch.int64)
        return batch

    def count(self, batch: Batch) -> float:
        """Words that have a piece and a label that was taught."""
        return float((batch["targets"] != _UNTAUGHT).sum())

    def loss_sum(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Σ over words of the cross-entropy at the piece that speaks for the word."""
        import torch.nn.functional as F

        said = logits.flatten(0, 1)[batch["place"]].float()
        return F.cross_entropy(said, batch["targets"], ignore_index=_UNTAUGHT, reduction="sum")

    def rows(self, logits: torch.Tensor, batch: Batch) -> Outputs:
        """The likeliest legal tags of each row, as entities."""
        import numpy as np

        said = logits.flatten(0, 1)[batch["place"]].float().log_softmax(-1).cpu().numpy().astype(np.float64)
        notes = batch["notes"]
        ends = np.cumsum([len(places) for _, _, places in notes])
        return self.answers(np.split(said, ends[:-1]), notes)

    def answers(self, logs: Sequence[NDArray[np.float64]], notes: Sequence[Any]) -> list[Tagged]:
        """From log-probabilities (words, tags) of each row to entities. A word without a piece belongs to the entity
        that goes on at both sides of it, else to none."""
        from weitiao.tasks import _viterbi

        table = _viterbi.padded(logs, len(self.tags))
        chances, paths = _viterbi.Chances(table), _viterbi.best(table)
        out = []
        for i, (text, words, places) in enumerate(notes):
            found = []
            for first, last, name in chunks([self.tags[x] for x in paths[i, : len(places)]]):
                begin, end = words[places[first][0]][0], words[places[last - 1][0]][1]
                found.append((begin, end, name, chances.of(i, first, last, self.labels.index(name))))
            out.append(Tagged(text, tuple(words), tuple(found)))
        return out

    def outputs(self, model: Model, batch: Batch) -> Outputs:
        return _shared.forward(self, model, batch)

    # -- answers ---------------------------------------------------------------------------------------------------

    def calibrate(self, rows: Outputs, targets: Sequence[Any]) -> None:
        """Nothing to learn."""

    def specimen(self) -> dict[str, Any]:
        return {"entities": []}

    def decode(self, outputs: Outputs) -> list[dict[str, Any]]:
        """`{"entities": [{"label", "text", "start", "end", "probability"}]}`, in the order of the text."""
        return [{"entities": [{"label": name, "text": row.text[a:b], "start": a, "end": b, "probability": p}
                              for a, b, name, p in row.entities]} for row in outputs]

    def _counted(self, outputs: Outputs, targets: Sequence[Any]) -> Any:
        """Spans and words, true and given, as metrics count them."""
        from weitiao.metrics.spans import Counted

        truth = [[(x["start"], x["end"], x["label"]) for x in target] for target in targets]
        given = [[entity[:3] for entity in row.entities] for row in outputs]
        right = [(sum(a == b for a, b in zip(self.tag_numbers(y, row.units), self.tag_numbers(g, row.units),
                                             strict=True)), len(row.units))
                 for y, g, row in zip(truth, given, outputs, strict=True)]
        return Counted.of(truth, given, right)

    def score(self, outputs: Outputs, targets: Sequence[Any], *, seed: int = 0,
              resamples: int = 2000) -> list[Score]:
        """Micro-averaged F1 of whole spans first."""
        from weitiao.metrics import spans as metric

        return metric.scores(self._counted(outputs, targets), seed=seed, resamples=resamples)

    def score_rows(self, rows: Outputs, targets: Sequence[Any], *, seed: int = 0,
                   resamples: int = 2000) -> list[Score]:
        """None: outputs are rows."""
        return []

    def compare(self, first: Outputs, second: Outputs, targets: Sequence[Any], *,
                seed: int = 0, resamples: int = 2000) -> Paired:
        """F1 of whole spans."""
        from weitiao.metrics import paired

        counts = [self._counted(x, targets).sums for x in (first, second)]
        return paired.counted_f1("span_f1", *counts, seed=seed, resamples=resamples)

    def correct(self, outputs: Outputs, targets: Sequence[Any]) -> NDArray[np.float64]:
        """Each row's own F1 (1 where nothing is to be found and nothing is given)."""
        from weitiao.metrics import spans as metric

        return metric.row_f1(self._counted(outputs, targets))

    def quick(self, rows: Outputs, targets: Sequence[Any]) -> dict[str, float]:
        from weitiao.metrics import spans as metric

        return metric.quick(self._counted(rows, targets))


def _within_words(target: Sequence[Mapping[str, Any]], words: Sequence[Place]) -> list[str]:
    """The entities that do not begin and end where words do."""
    begins, ends = {a for a, _ in words}, {b for _, b in words}
    return [x["text"] for x in target if x["start"] not in begins or x["end"] not in ends]


def _words(text: str, tags: str) -> dict[str, Any]:
    return {"tokens": text.split(), "tags": tags.split()}


SAMPLES = (
    Sample(rows=tuple(_words(x, y) for x, y in (
               ("the movie was great", "O B-what O B-how"), ("love this film music !", "O O B-what I-what O"),
               ("very bad service", "B-how I-how B-what"), ("food was not good", "B-what O B-how I-how"),
               ("this is that", "O O O"), ("我 爱 旅游 歌", "O O B-what I-what"))),
           columns={"text": "tokens", "label": "tags"}, kinds=("encoder", "decoder"),
           bad=(_words("a b", "O"), {"tokens": ["a", None], "tags": ["O", "O"]}, {"tokens": ["a"], "tags": [7]},
                {"tokens": ["a"], "tags": [["O"]]}, {"tokens": [], "tags": []}, {"tokens": ["a"], "tags": None},
                {"tokens": [""], "tags": ["O"]})),
    Sample(rows=tuple({"text": x, "entities": [dict(zip(("start", "end", "label"), e, strict=True)) for e in y]}
                      for x, y in (("我爱北京电影", [(2, 4, "地"), (4, 6, "物")]), ("上海", [(0, 2, "地")]),
                                   ("好吃", []), ("看电影", [(1, 3, "物")]), ("去旅游好", [(1, 3, "物")]),
                                   ("here in 中国 !", [(8, 10, "地")]))),
           columns={"text": "text", "label": "entities"},
           bad=({"text": "上海", "entities": [{"start": 0, "end": 3, "label": "地"}]},
                {"text": "上海", "entities": [[0, 2, "地"], [1, 2, "物"]]},
                {"text": "上海", "entities": [{"start": 0, "end": 2}]}, {"text": "", "entities": []},
                {"text": "上海", "entities": [{"start": 0, "end": 1, "label": "地", "text": "海"}]},
                {"text": "上海", "entities": None}, {"text": "上海", "entities": 3})),
    Sample(rows=tuple({"text": x, "slots": y} for x, y in (
               ("two rooms", {"n": {"text": "two", "span": [0, 3]}}), ("yes", {}), ("no", {}),
               ("three", {"n": {"text": "three", "span": [0, 5]}}),
               ("one room", {"n": {"text": "one", "span": [0, 3]}}))),
           columns={"text": "text", "label": "slots"},
           bad=({"text": "two", "slots": {"n": {"text": "one", "span": [0, 3]}}}, {"text": "two", "slots": {"n": 1}})),
)
