"""Continued pretraining on raw text, before tuning: encoders fill masks, decoders foresee each next token.

    weitiao tune manuals.jsonl --task pretrain --model e5-small --out runs/manuals
    weitiao tune reviews.csv --model runs/manuals/model

A row is a document. It is cut into blocks of at most model.max_length tokens; nothing is cut off, and each block is a
row of the training. A decoder also learns where a document ends, by its end token behind the last block. What is
reported is bits per byte on held-out documents, before and after:

- a decoder's are exact: each token but a document's very first (where the tokenizer puts nothing before a text) is
  foreseen once; the end token, which stands for no byte of the text, is learnt and does not count;
- an encoder's are pseudo bits per byte: of a share of the tokens, drawn once for each block and replaced by the mask,
  the bits that they cost by the bytes that they stand for.

In training 80 % of the drawn tokens become the mask, 10 % a random token, 10 % stay (Devlin et al. 2019, section 3.1),
and they are drawn anew at each step (Liu et al. 2019, section 4.1) by seed, step and block: whatever the batch is made
of, and after a resume, the same ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core import seeds
from weitiao.core.errors import ModelError, RecipeError
from weitiao.core.i18n import t
from weitiao.example import Example, Row
from weitiao.models.spec import INPUTS, HeadSpec
from weitiao.tasks import (
    Batch,
    Encoded,
    Fault,
    Guess,
    Noun,
    Outputs,
    Sample,
    TableProfile,
    _blocks,
    _columns,
    _shared,
    _wholewords,
)

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from weitiao.metrics import Score
    from weitiao.metrics.paired import Paired
    from weitiao.models.build import Model

_RANDOM, _STAYS = 0.1, 0.1
_AT_ONCE = 4096  # padded tokens of a forward pass when documents of any length are scored


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    mask_rate: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Encoders: the share of a block's tokens that are to be filled in; at least one."""
    whole_word: bool = False
    """Encoders: in training hide all pieces of a word together (Cui et al. 2019), Chinese words as rjieba cuts them;
    bits per byte are counted as without it."""


class Task:
    """See `weitiao.tasks.Task`. An example's target is its number of bytes: what is learnt is the text itself. Outputs
    are `metrics.likelihood.Cost`, one a document."""

    BASELINES: ClassVar[tuple[str, ...]] = ("untouched",)
    noun: ClassVar[Noun] = Noun("text", "texts", "文本")
    likelihood: ClassVar[bool] = False
    calibrates: ClassVar[bool] = False
    watched: ClassVar[tuple[str, ...]] = ("bits_per_byte", "perplexity")

    def __init__(self, options: Options, columns: Mapping[str, str]) -> None:
        self.options, self.columns = options, columns
        self.kind = ""
        self.tokenizer: Any = None
        self._plain: Any = None  # ids of ordinary tokens

    @property
    def roles(self) -> tuple[str, ...]:
        return ("text",)

    # -- data ------------------------------------------------------------------------------------------------------

    @staticmethod
    def guess(profile: TableProfile, columns: Mapping[str, str]) -> Guess | None:
        """A table of one text column and nothing else; of others only where the user names the task."""
        texts = [c for c in profile.columns if c.kind == "text"]
        if "label" in columns or not (texts or "text" in columns):
            return None
        named = [c for c in texts if _columns.kind_of(c.name)[0] == "text"]
        column = columns.get("text") or max(named or texts, key=lambda c: c.mean_chars).name
        found = profile.get(column)
        alone = len(profile.columns) == 1 and found is not None and not _columns.looks_repeated(found, profile.rows)
        return Guess(_columns.BY_VALUE if alone else _columns.ONLY_IF_ASKED, {"text": column},
                     t("“{c}” is raw text without labels: pretraining goes on with it (labels or answers would stand "
                       "in a second column)",
                       "“{c}”是无标签文本：用于继续预训练（若要学习标签或答案，应有第二列）", c=column))

    def read(self, row: Row) -> Example:
        """The document. Raises RowError."""
        inputs = _shared.read_texts(row, self.columns)
        return Example(row.source, inputs, len(inputs["text"].encode()), row.source)

    def faults(self, row: Row, example: Example) -> Iterable[Fault]:
        """None: a document is a text."""
        return ()

    def fit(self, examples: Sequence[Example]) -> None:
        """Nothing to learn beforehand."""

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing was learnt."""

    def strata(self, example: Example) -> str:
        """None: documents are split at random."""
        return ""

    def bind(self, kind: str, tokenizer: Any) -> None:
        """Raises ModelError `model.no_mask` for an encoder whose tokenizer has no mask token, RecipeError for a decoder
        that is to hide whole words; an encoder-decoder is refused when it is built."""
        import numpy as np

        if kind == "encoder" and tokenizer.mask_token_id is None:
            raise ModelError("model.no_mask", t("its tokenizer has no mask token", "分词器没有掩码词元"),
                             where="model.name", fix=t("choose another encoder, or a decoder",
                                                       "请换一个编码器，或用解码器"))
        if kind != "encoder" and self.options.whole_word:
            raise RecipeError("recipe.bad_value", t("a decoder fills in no masks", "解码器不做掩码填空"),
                              where="task.whole_word", expected="false",
                              fix=t("leave task.whole_word out, or choose an encoder",
                                    "请去掉 task.whole_word，或换一个编码器"))
        self.kind, self.tokenizer = kind, tokenizer
        self._plain = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)

    def check_target(self, target: Any) -> None:
        """Any text can be learnt."""

    def tally(self, targets: Sequence[Any]) -> dict[str, Any]:
        """Texts have no labels to count."""
        return {}

    def head(self) -> HeadSpec:
        return HeadSpec(0, kind="corpus")

    # -- numbers ---------------------------------------------------------------------------------------------------

    def encode(self, examples: Sequence[Example], tokenizer: Any, max_length: int, *,
               windows: bool = False) -> list[Encoded]:
        """A document's blocks; the target holds the bytes of each token, the notes its word where these are hidden as
        wholes. Long documents are cut into blocks in any case. Raises what `_wholewords.check` raises."""
        texts, words = [e.inputs["text"] for e in examples], self.options.whole_word
        if words:
            _wholewords.check(texts)
        cut = _blocks.cut(tokenizer, texts, max_length, _blocks.frame(tokenizer, self.kind), words=words)
        return [Encoded(x.ids, (), x.bytes, notes=x.words) for x in cut]

    def collate(self, rows: Sequence[Encoded], pad_id: int, pad_side: str) -> Batch:
        """Blocks padded to the longest, with the drawn places of each block; `redrawn` gives those of a step.

        `places` (P,) of the flattened (W, T), `targets` (P,), `place_owner` (P,): the row, `bytes` (P,), `_blocks.END`
        for an end.
        """
        batch = _shared.collate(rows, pad_id, "right")
        batch |= self._drawn(batch, rows, None)
        if self.kind == "encoder":
            batch.redrawn = partial(self._drawn, batch, rows)
        return batch

    def _drawn(self, batch: Batch, rows: Sequence[Encoded], number: int | None) -> dict[str, torch.Tensor]:
        """What is to be foreseen in each block, and the ids in which an encoder does not see it.

        Args:
            number: decides what an encoder fills in while it trains; None: what it fills in whenever it is scored.
        """
        import numpy as np
        import torch

        width = batch["input_ids"].shape[1]
        shown = batch["input_ids"].numpy().copy()
        parts: dict[str, list[Any]] = {"places": [], "targets": [], "place_owner": [], "bytes": []}
        blocks = ((owner, *block) for owner, row in enumerate(rows)
                  for block in zip(row.windows, row.target, row.notes or [None] * len(row.windows), strict=True))
        for w, (owner, window, given, words) in enumerate(blocks):
            ids, sizes = np.asarray(window), np.asarray(given)
            if self.kind == "encoder":
                chosen, shown[w, : len(ids)] = self._masked(ids, sizes, words, number)
                at = chosen
            else:
                chosen = np.flatnonzero(sizes[1:] != _blocks.CONTEXT) + 1
                at = chosen - 1
            for name, values in (("places", w * width + at), ("targets", ids[chosen]),
                                 ("place_owner", np.full(len(chosen), owner)), ("bytes", sizes[chosen])):
                parts[name].append(values)
        found = {name: np.concatenate(values).astype(np.int64) for name, values in parts.items()}
        return {k: torch.from_numpy(v) for k, v in {"input_ids": shown, **found}.items()}

    def _masked(self, ids: NDArray[np.int64], sizes: NDArray[np.int64], words: Sequence[int] | None,
                number: int | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The places drawn in a block, a function of `number` and the block alone, and the ids that are shown. Whole
        words are hidden in training only, so that all settings are scored alike."""
        import numpy as np

        known = np.flatnonzero((sizes != _blocks.CONTEXT) & np.isin(ids, self._plain))
        random = seeds.rng(number or 0, "mask", zlib.crc32(ids.astype(np.int32).tobytes()))
        wanted = min(len(known), max(1, round(self.options.mask_rate * len(known))))
        if words is not None and number is not None:
            chosen = _whole_words(known, np.asarray(words)[known], wanted, random)
        else:
            chosen = np.sort(random.choice(known, wanted, replace=False)) if wanted else known
        shown = ids.copy()
        shown[chosen] = self.tokenizer.mask_token_id
        if number is not None:
            way = random.random(len(chosen))
            shown[chosen[way < _RANDOM]] = random.choice(self._plain, int((way < _RANDOM).sum()))
            stays = chosen[way >= 1 - _STAYS]
            shown[stays] = ids[stays]
        return chosen, shown

    def count(self, batch: Batch) -> float:
        """Tokens that are foreseen."""
        return float(len(batch["targets"]))

    def loss_sum(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Σ −log p(token) in nats."""
        from weitiao.tasks._chunked import cross_entropy

        return cross_entropy(logits, batch["targets"])

    def rows(self, logits: torch.Tensor, batch: Batch) -> Outputs:
        """The cost of each document's blocks in the batch."""
        from weitiao.tasks._chunked import each

        return _costs(each(logits, batch["targets"]), batch)

    def outputs(self, model: Model, batch: Batch) -> Outputs:
        """As `rows`; a document of any length is scored some blocks at a time."""
        import torch

        from weitiao.tasks._chunked import each

        windows, width = batch["input_ids"].shape
        step = max(1, _AT_ONCE // width)
        found = [torch.zeros(0)]
        for start in range(0, windows, step):
            here = (batch["places"] >= start * width) & (batch["places"] < (start + step) * width)
            part = {k: v[start : start + step] for k, v in batch.items() if k in INPUTS and k != "places"}
            part["places"] = batch["places"][here] - start * width
            logits = model(**{k: v.to(model.device) for k, v in part.items()})
            found.append(each(logits, batch["targets"][here].to(model.device)).cpu())
        return _costs(torch.cat(found), batch)

    # -- answers ---------------------------------------------------------------------------------------------------

    def calibrate(self, outputs: Outputs, targets: Sequence[Any]) -> None:
        """Nothing to learn."""

    def specimen(self) -> dict[str, Any]:
        return {"value": 0.0, "perplexity": 0.0}

    def decode(self, outputs: Outputs) -> list[dict[str, Any]]:
        """`{"value": bits per byte, "perplexity"}` of each document."""
        from weitiao.metrics import likelihood

        return [{"value": bits, "perplexity": perplexity}
                for bits, perplexity in likelihood.both(likelihood.table(outputs)).tolist()]

    def score(self, outputs: Outputs, targets: Sequence[Any], *, seed: int = 0,
              resamples: int = 2000) -> list[Score]:
        """Bits per byte first, then perplexity."""
        from weitiao.metrics import likelihood

        note = f"pseudo: {self.options.mask_rate:g} of each block masked, drawn by its ids" \
            if self.kind == "encoder" else "every token"
        return likelihood.scores(outputs, seed=seed, resamples=resamples, note=note)

    def score_rows(self, rows: Outputs, targets: Sequence[Any], *, seed: int = 0,
                   resamples: int = 2000) -> list[Score]:
        """None: outputs are rows."""
        return []

    def compare(self, first: Outputs, second: Outputs, targets: Sequence[Any], *,
                seed: int = 0, resamples: int = 2000) -> Paired:
        """Bits per byte: less is better."""
        from weitiao.metrics import likelihood

        return likelihood.compare(first, second, seed=seed, resamples=resamples)

    def correct(self, outputs: Outputs, targets: Sequence[Any]) -> NDArray[np.float64]:
        """Minus the bits per byte: larger is better."""
        from weitiao.metrics import likelihood

        return -likelihood.both(likelihood.table(outputs))[:, 0]

    def quick(self, outputs: Outputs, targets: Sequence[Any]) -> dict[str, float]:
        from weitiao.metrics import likelihood

        return likelihood.quick(outputs)


def _whole_words(known: NDArray[np.int64], words: NDArray[np.int64], wanted: int,
                 random: np.random.Generator) -> NDArray[np.int64]:
    """Places of words in random order, as many as fit into `wanted`; where none fits, of the first one."""
    import numpy as np

    chosen: list[int] = []
    order = [known[words == word].tolist() for word in random.permutation(np.unique(words))]
    for places in order:
        if len(chosen) + len(places) <= wanted:
            chosen += places
    return np.sort(np.array(chosen or [x for places in order[:1] for x in places], np.int64))


def _costs(nats: torch.Tensor, batch: Batch) -> Outputs:
    """Sums over the places of each row."""
    import numpy as np

    from weitiao.metrics.likelihood import Cost

    counted, n = (batch["bytes"] >= 0).cpu().numpy(), int(batch["owner"][-1]) + 1
    owner = batch["place_owner"].cpu().numpy()[counted]
    sums = [np.bincount(owner, weights, minlength=n) for weights in (
        nats.cpu().double().numpy()[counted], np.ones(len(owner)), batch["bytes"].cpu().numpy()[counted])]
    return [Cost(float(cost), int(tokens), int(size)) for cost, tokens, size in zip(*sums, strict=True)]


_DOCUMENTS = ("the food was good and the service was fast .", "a slow train is not very good but it is cheap .",
              "这家店的味道很好，下次还来。", "电影不好看，音乐很好听。", "one two three , really ?",
              "房间很干净，服务也很好。旅游的时候住过。")
SAMPLES = (
    Sample(rows=tuple({"text": x} for x in _DOCUMENTS), columns={"text": "text"}, kinds=("encoder", "decoder"),
           bad=({"text": ""}, {"text": None}, {"text": ["a"]}, {"other": "x"}, {"text": "\ud800"})),
    Sample(rows=tuple({"正文": x, "来源": "a"} for x in _DOCUMENTS), columns={"text": "正文"},
           options={"mask_rate": 0.3}, bad=({"正文": "  "},)),
)
