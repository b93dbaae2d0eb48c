"""Translation: a text in one language in, the same in another language out.

    en,zh                          source,target                  It rains.<TAB>下雨了。
    It rains.,下雨了。              It rains.,Es regnet.

Columns named by language codes say the direction; else `--source en --target de` does. Encoder-decoders made for
translation are told the languages in their own way (`_directions`), decoders are asked in words, and of an encoder a
pair is made (models/_pair.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.errors import DataError, RowError
from weitiao.core.i18n import t
from weitiao.core.text import dominant_language
from weitiao.example import Example, Row
from weitiao.models.spec import HeadSpec
from weitiao.tasks import (
    Batch,
    Encoded,
    Fault,
    Guess,
    Noun,
    Outputs,
    Sample,
    TableProfile,
    _asked,
    _directions,
    _language,
    _speaker,
    _translating,
    _written,
)
from weitiao.tasks._render import Chat, Message
from weitiao.tasks._speaker import Text

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from weitiao.metrics import Score
    from weitiao.metrics.paired import Paired
    from weitiao.models.build import Model

_LONGEST = 8  # targets kept until a tokenizer tells how many tokens they are
_MARGIN = 1.25
_CHECKED = 2000  # targets of which the script is looked at


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    source: str = "auto"
    """Language code of the source (en, zh, zho_Hans, pt-BR …); auto: the column's name, or what its script says."""
    target: str = "auto"
    """Language code of the target."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the target spread evenly over all words (Vaswani et al. 2017, section 5.4)."""
    num_beams: Annotated[int, Field(ge=1)] = 1
    """Beam search over so many translations; 1: the likeliest word each time, which is faster."""
    length_penalty: float = 1.0
    """Of beam search: above 1 prefers longer translations, below 0 shorter ones."""
    max_new_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Most tokens of a translation; auto: a quarter more than the longest training target has."""
    too_long: Literal["truncate", "drop", "stop"] = "drop"
    """Sources longer than model.max_length: lose their end, are left out, or stop the run. Targets are never cut."""
    template: Literal["auto", "plain"] = "auto"
    """Decoders: the model's own chat template where it has one (auto), or weitiao's."""
    tokenizer: Literal["auto", "13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "flores200"] = "auto"
    """sacreBLEU's tokenizer for BLEU; auto: by the target language."""


class Task:
    """See `weitiao.tasks.Task`. Targets of examples are a text, or a list of right ones; outputs are `Text`s."""

    noun: ClassVar[Noun] = Noun("translation", "translations", "译文")
    likelihood: ClassVar[bool] = True
    calibrates: ClassVar[bool] = False
    watched: ClassVar[tuple[str, ...]] = ("perplexity",)
    roles: ClassVar[tuple[str, ...]] = ("source",)

    def __init__(self, options: Options, columns: Mapping[str, str]) -> None:
        self.options, self.columns = options, _translating.pointed(columns, options.source, options.target)
        self.languages = tuple("" if x == "auto" else x for x in (options.source, options.target))
        self.longest: tuple[str, ...] = ()
        self.max_new_tokens = 0
        self.golden: list[Any] = []
        self.pair = False
        self.speaker: _speaker.Speaker | None = None
        self.direction = _directions.Direction()

    @property
    def BASELINES(self) -> tuple[str, ...]:
        """Two encoders that were never one model say nothing before tuning."""
        return ("copy", "nearest") if self.pair else ("copy", "nearest", "zero_shot")

    # -- data ------------------------------------------------------------------------------------------------------

    @staticmethod
    def guess(profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
        """Two columns named by languages, or source and target in different scripts."""
        return _translating.claim(profile, columns)

    def read(self, row: Row) -> Example:
        """Raises RowError for a side that is missing, empty or no text."""
        roles = {"prompt": "source", "target": "target"}
        inputs, target = _asked.read(row, {own: self.columns[r] for own, r in roles.items() if r in self.columns})
        return Example(row.source, {"source": inputs["prompt"]}, target, row.source)

    def faults(self, row: Row, example: Example) -> Iterable[Fault]:
        """See `_written.faults`."""
        return _written.faults(example.inputs, self.source(example), self.learnt(example.target))

    def fit(self, examples: Sequence[Example]) -> None:
        """Learn the languages and how long translations are. Raises DataError `data.no_labels`, `data.one_class`,
        and what scoring such targets would raise: hours earlier."""
        from weitiao.metrics import translation

        def known() -> Iterator[Example]:
            return (e for e in examples if e.target is not None)

        where = self.columns.get("target", "")
        different = _asked.Different(_asked.learnt(e.target) for e in known())
        if not different.count:
            raise DataError("data.no_labels", t("no row has a translation", "没有任何一行带译文"), where=where,
                            fix=t("name the columns with --columns source=…,target=…",
                                  "请用 --columns source=…,target=… 指明各列"))
        if different.count > 1 and different.equal:
            raise DataError("data.one_class", t("all {n} training rows have the same translation",
                                                "全部 {n} 条训练数据的译文都一样", n=different.count), where=where,
                            expected=t("translations that differ", "不全相同的译文"),
                            fix=t("name the right column with --columns target=…",
                                  "请用 --columns target=… 指明正确的列"))
        first = list(islice(known(), _CHECKED))
        seen = ([str(e.inputs["source"]) for e in first], [_asked.learnt(e.target) for e in first])
        self.languages = tuple(x or ("zh" if dominant_language(texts) == "zh" else "")
                               for x, texts in zip(self.languages, seen, strict=True))
        translation.check([[x] for x in seen[1]], self.languages[1], self.options.tokenizer)
        self.longest = different.longest[:_LONGEST]
        self.max_new_tokens = 0

    def bind(self, kind: str, tokenizer: Any) -> None:
        """Raises ModelError `model.no_stop_token`, `model.template_refused`, `model.other_tokens`; RecipeError
        `recipe.no_language`."""
        self.pair = self.pair or kind == "encoder"
        both = "decoder" if kind == "decoder" else "encoder-decoder"
        self.direction = self._direction(both, tokenizer)
        self.speaker = _speaker.meet(both, tokenizer, self.options.template)
        if self.golden:
            _speaker.check_golden(self.speaker, self.golden)
        else:
            self.golden = _speaker.golden(self.speaker)
        if not self.max_new_tokens:
            sizes = [len(ids) for ids in tokenizer(list(self.longest), add_special_tokens=False)["input_ids"]]
            self.max_new_tokens = min(math.ceil(_MARGIN * max(sizes)) + 4, tokenizer.model_max_length - 2)

    def _direction(self, kind: str, tokenizer: Any) -> _directions.Direction:
        if self.pair:
            start = tokenizer.bos_token_id if tokenizer.cls_token_id is None else tokenizer.cls_token_id
            return _directions.Direction(generation={"decoder_start_token_id": start})
        return _directions.Direction() if kind == "decoder" else _directions.point(tokenizer, *self.languages)

    def state(self) -> dict[str, Any]:
        return {"languages": list(self.languages), "max_new_tokens": self.max_new_tokens, "golden": self.golden,
                "longest": [] if self.max_new_tokens else list(self.longest), "pair": self.pair}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.languages, self.longest = tuple(state["languages"]), tuple(state["longest"])
        self.max_new_tokens, self.golden, self.pair = state["max_new_tokens"], state["golden"], state["pair"]

    def strata(self, example: Example) -> str:
        """None: texts are split at random."""
        return ""

    def check_target(self, target: Any) -> None:
        """Any text can be learnt."""

    def tally(self, targets: Sequence[Any]) -> dict[str, Any]:
        """Nothing to count: texts differ."""
        return {}

    def head(self) -> HeadSpec:
        return HeadSpec(0, kind="language", generation=self._generation() if self.speaker else {})

    def _generation(self) -> dict[str, Any]:
        o, speaker = self.options, self._speaker()
        return {"max_new_tokens": self.max_new_tokens if o.max_new_tokens == "auto" else o.max_new_tokens,
                "max_length": None, "num_beams": o.num_beams, "do_sample": False,
                "length_penalty": o.length_penalty if o.num_beams > 1 else None, "temperature": None, "top_p": None,
                "top_k": None, "eos_token_id": speaker.stop, "pad_token_id": speaker.tokenizer.pad_token_id,
                **self.direction.generation}

    def _speaker(self) -> _speaker.Speaker:
        assert self.speaker is not None, "bind comes before numbers"
        return self.speaker

    # -- numbers ---------------------------------------------------------------------------------------------------

    def chat(self, example: Example) -> Chat:
        """The row as a question and its answer, with the answer where that is known."""
        text = self.source(example)
        asked = f"{_translating.request(*self.languages)}\n{text}" if self._speaker().kind == "decoder" else \
            self.direction.prefix + text
        said = () if example.target is None else (Message("assistant", self.learnt(example.target)),)
        return Chat((Message("user", asked), *said), source=example.source, keeps_start=True)

    def encode(self, examples: Sequence[Example], tokenizer: Any, max_length: int, *,
               windows: bool = False) -> list[Encoded]:
        """See `_speaker.Speaker.encode`. Raises RowError `row.no_windows` when windows are asked for."""
        if windows:
            raise RowError("row.no_windows", "", t("what is written cannot be put together from windows: set "
                                                   "model.long_texts=truncate",
                                                   "生成任务不能切窗：请设 model.long_texts=truncate"))
        speaker = self._speaker()
        if speaker.kind == "decoder" and all(e.target is None for e in examples):  # answers need room behind them
            room = tokenizer.model_max_length - int(self.head().generation["max_new_tokens"])
            max_length = min(max_length, max(8, room))
        rows = speaker.encode([self.chat(e) for e in examples], max_length, self.options.too_long)
        return rows if speaker.kind == "decoder" else [self._trimmed(row) for row in rows]

    def _trimmed(self, row: Encoded) -> Encoded:
        """Without what no answer says: a language behind the end, or what the decoder of a pair begins with."""
        if row.target is None:
            return row
        stop = self._speaker().stop
        end = row.target.index(stop) + 1 if stop in row.target else len(row.target)
        begun = self.pair and row.target[0] == self.direction.generation["decoder_start_token_id"]
        return row._replace(target=row.target[int(begun) : end])

    def source(self, example: Example) -> str:
        """The text that is translated."""
        return str(example.inputs["source"])

    def learnt(self, target: Any) -> str:
        """The translation that is learnt: of several the first."""
        return _asked.learnt(target)

    def written(self, text: str) -> Text:
        """A text as an output."""
        return Text(text, True)

    def collate(self, rows: Sequence[Encoded], pad_id: int, pad_side: str) -> Batch:
        return _language.collate(rows, self._speaker())

    def count(self, batch: Batch) -> float:
        return _language.count(batch)

    def loss_sum(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return _language.loss_sum(logits, batch, self.options.label_smoothing)

    def rows(self, logits: torch.Tensor, batch: Batch) -> Outputs:
        return _language.rows(logits, batch)

    def outputs(self, model: Model, batch: Batch) -> Outputs:
        return self._speaker().answer(model, batch)

    # -- answers ---------------------------------------------------------------------------------------------------

    def calibrate(self, rows: Outputs, targets: Sequence[Any]) -> None:
        """Nothing beside the weights."""

    def decode(self, outputs: Outputs) -> list[dict[str, Any]]:
        """`{"text", "stopped"}`; stopped: the model ended by itself and was not cut at max_new_tokens."""
        return [{"text": o.text, "stopped": o.stopped} for o in outputs]

    def specimen(self) -> dict[str, Any]:
        return {"text": "", "stopped": True}

    def score(self, outputs: Outputs, targets: Sequence[Any], *, seed: int = 0,
              resamples: int = 2000) -> list[Score]:
        """BLEU, chrF and TER by the target language, the length ratio, how many translations ended by themselves."""
        return _translating.scores(outputs, [_asked.right(x) for x in targets], self.languages[1],
                                   self.options.tokenizer, seed=seed, resamples=resamples)

    def score_rows(self, rows: Outputs, targets: Sequence[Any], *, seed: int = 0,
                   resamples: int = 2000) -> list[Score]:
        """Perplexity and bits per byte of the right translations (of several the first)."""
        return _language.score_rows(rows, seed=seed, resamples=resamples)

    def compare(self, first: Outputs, second: Outputs, targets: Sequence[Any], *, seed: int = 0,
                resamples: int = 2000) -> Paired:
        """BLEU."""
        from weitiao.metrics import translation

        return translation.compare([o.text for o in first], [o.text for o in second],
                                   [_asked.right(x) for x in targets], self.languages[1],
                                   asked=self.options.tokenizer, seed=seed, resamples=resamples)

    def correct(self, outputs: Outputs, targets: Sequence[Any]) -> NDArray[np.float64]:
        """chrF of each row by itself."""
        from weitiao.metrics import translation

        return translation.per_row([o.text for o in outputs], [_asked.right(x) for x in targets], self.languages[1])

    def quick(self, rows: Outputs, targets: Sequence[Any]) -> dict[str, float]:
        return _language.quick(rows)


SAMPLES = (
    Sample(rows=tuple({"en": x, "zh": y} for x, y in (
               ("good food", "好吃"), ("bad food", "很坏吃"), ("a fast car", "很快"), ("a slow train", "很慢"),
               ("i love the music", "我喜欢听音乐"), ("the room is clean and the service good", "房间很好服务也好"))),
           columns={"source": "en", "target": "zh"}, options={"source": "en", "target": "zh"},
           kinds=("encoder", "decoder", "encoder-decoder"),
           bad=({"en": "", "zh": "x"}, {"en": "x", "zh": " "}, {"zh": "x"}, {"en": ["x"], "zh": "y"},
                {"en": "x", "zh": {"a": 1}}, {"en": "x", "zh": None}, {"en": "\ud800", "zh": "y"})),
    Sample(rows=tuple({"source": x, "target": y} for x, y in (
               ("好吃", ["good food", "nice food"]), ("不好", ["bad"]), ("很快", ["fast", "very fast"]),
               ("我喜欢听音乐和看电影", ["i love music"]))),
           columns={"source": "source", "target": "target"},
           options={"source": "zh", "target": "en", "num_beams": 2, "label_smoothing": 0.0, "template": "plain"},
           kinds=("encoder-decoder", "encoder")),
)
