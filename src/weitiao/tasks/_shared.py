"""What every task that maps a text (or two) to a few numbers has in common: reading, token ids, padding, pooling.

>>> encoded = encode_texts(examples, tokenizer, 128)     # one call of the tokenizer for all rows
>>> collate(encoded, tokenizer.pad_token_id, "right")    # {'input_ids': (W, T), 'attention_mask': ..., 'owner': (W,)}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from weitiao.core.errors import ModelError, RecipeError, RowError
from weitiao.core.i18n import t
from weitiao.example import Example, Row
from weitiao.models.spec import INPUTS
from weitiao.tasks import Batch, Encoded, Outputs, Task

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from weitiao.models.build import Model

_HALF_PAIR = re.compile("[\ud800-\udfff]")
STRIDE = 4  # neighbouring windows share a quarter of their length


# -- reading -------------------------------------------------------------------------------------------------------

def text_roles(columns: Mapping[str, str]) -> tuple[str, ...]:
    """`("text",)` or `("text_a", "text_b")`, by the columns that are named."""
    return ("text_a", "text_b") if "text_a" in columns else ("text",)


def read_texts(row: Row, columns: Mapping[str, str]) -> dict[str, str]:
    """Role to text. Raises RowError for a text that is missing, empty or no text."""
    return {role: read_text(row, columns[role]) for role in text_roles(columns)}


def read_text(row: Row, column: str) -> str:
    """The text in that column. Raises RowError for one that is missing, empty or no text."""
    if column not in row.values:
        raise RowError("row.no_text", column, t("there is no such column in this row", "这一行没有该列"))
    value = row.values[column]
    if isinstance(value, (list, tuple, dict, bool)):
        raise RowError("row.not_text", column, t("a text is needed, got {x}", "应为文本，得到 {x}", x=_short(value)))
    if is_missing(value):
        raise RowError("row.empty", column, t("the text is empty", "文本为空"))
    text = str(value)
    if _HALF_PAIR.search(text):
        raise RowError("row.not_unicode", column, t("half of a surrogate pair: no valid Unicode text",
                                                    "含有孤立的代理字符，不是合法的 Unicode 文本"))
    return text


def is_missing(value: Any) -> bool:
    """None, NaN, or a string of white space: nothing that a person wrote."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or (
        isinstance(value, str) and not value.strip())


def target_value(row: Row, columns: Mapping[str, str]) -> tuple[bool, Any]:
    """Is there a label column in this row, and what stands in it."""
    column = columns.get("label", "")
    return (True, row.values[column]) if column in row.values else (False, None)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# -- token ids -----------------------------------------------------------------------------------------------------

class Tokens(NamedTuple):
    """Token ids of one row before it has a target; the fields are those of `Encoded`."""

    windows: tuple[tuple[int, ...], ...]
    types: tuple[tuple[int, ...], ...]
    lost: int = 0


def encode_texts(examples: Sequence[Example], tokenizer: Any, max_length: int, *,
                 windows: bool = False) -> list[Tokens]:
    """Token ids with special tokens of every row, each window at most `max_length` long.

    A text that is too long loses its end (a pair: the end of the longer side first) and says how many tokens. With
    `windows` it is cut into windows that overlap by a quarter instead; of a pair, the longer side is cut and the
    other one repeated, unless the shorter side alone fills half the room: such a pair is truncated.

    Raises RecipeError when `max_length` leaves no room for text, ModelError when windows are asked of a tokenizer
    that cannot give them, RowError for a text without any token.
    """
    if not examples:
        return []
    roles = text_roles(examples[0].inputs)
    texts: list[_Texts] = [(e.inputs["text"],) for e in examples] if len(roles) == 1 else [
        (e.inputs["text_a"], e.inputs["text_b"]) for e in examples]
    room = max_length - tokenizer.num_special_tokens_to_add(pair=len(roles) == 2)
    if room < 2:
        raise RecipeError("recipe.bad_value", t("model.max_length = {n} leaves no room for text",
                                                "model.max_length = {n} 容不下任何文本", n=max_length),
                          expected=t("at least 16", "至少 16"))
    out = _call(tokenizer, texts)
    lengths = [len(got.windows[0]) for got in out]
    if 0 in lengths:
        raise RowError("row.no_tokens", "", t("the tokenizer makes no token of this text: {x}",
                                              "分词器没有从该文本得到任何词元：{x}", x=_short(texts[lengths.index(0)])))
    long = [i for i, n in enumerate(lengths) if n > max_length]
    if not long:
        return out
    if windows:
        _need_fast(tokenizer)
        for i in long:
            out[i] = _cut(tokenizer, texts[i], lengths[i], max_length, room)
        return out
    cut = _call(tokenizer, [texts[i] for i in long], truncation="longest_first", max_length=max_length)
    for i, row in zip(long, cut, strict=True):
        out[i] = row._replace(lost=lengths[i] - len(row.windows[0]))
    return out


_Texts = tuple[str] | tuple[str, str]


def _call(tokenizer: Any, texts: Sequence[_Texts], **how: Any) -> list[Tokens]:
    """One call for all rows, each a window: fast tokenizers run it in parallel."""
    if tokenizer.is_fast and not how:
        return _whole(tokenizer, texts)
    sides = [list(side) for side in zip(*texts, strict=True)]
    got = tokenizer(*sides, return_attention_mask=False, verbose=False, **how)
    types = got.get("token_type_ids") or [()] * len(got["input_ids"])
    return [Tokens((tuple(ids),), (tuple(kinds),) if kinds else ())
            for ids, kinds in zip(got["input_ids"], types, strict=True)]


def _whole(tokenizer: Any, texts: Sequence[_Texts]) -> list[Tokens]:
    """The same without truncation, straight from the library: transformers takes a third of the time for making
    dictionaries of what it gives (docs/log.md)."""
    library = tokenizer.backend_tokenizer
    library.no_truncation()
    library.no_padding()
    library.encode_special_tokens = tokenizer.split_special_tokens
    found = library.encode_batch_fast([pair if len(pair) == 2 else pair[0] for pair in texts])
    if "token_type_ids" not in tokenizer.model_input_names:
        return [Tokens((tuple(row.ids),), ()) for row in found]
    if len(texts[0]) == 1 and not any(found[0].type_ids):  # a template gives all tokens of a single text the same types
        return [Tokens((ids,), ((0,) * len(ids),)) for ids in (tuple(row.ids) for row in found)]
    return [Tokens((tuple(row.ids),), (tuple(row.type_ids),)) for row in found]


def _need_fast(tokenizer: Any) -> None:
    if not tokenizer.is_fast:
        raise ModelError("model.no_windows", t("this model's tokenizer cannot cut windows", "该模型的分词器不支持切窗"),
                         fix=t("set model.long_texts=truncate", "请设置 model.long_texts=truncate"))


def _cut(tokenizer: Any, texts: _Texts, length: int, max_length: int, room: int) -> Tokens:
    """The windows of one long row."""
    how: dict[str, Any] = {"max_length": max_length, "truncation": True, "stride": room // STRIDE}
    if len(texts) == 2:
        sizes = [len(one.windows[0]) for one in _call(tokenizer, [(s,) for s in texts], add_special_tokens=False)]
        left = room - min(sizes)
        if left < room // 2:  # the shorter side would crowd the other one out of every window
            row = _call(tokenizer, [texts], truncation="longest_first", max_length=max_length)[0]
            return row._replace(lost=length - len(row.windows[0]))
        how |= {"truncation": "only_first" if sizes[0] > sizes[1] else "only_second", "stride": left // STRIDE}
    rows = _call(tokenizer, [texts], return_overflowing_tokens=True, **how)
    return Tokens(tuple(one.windows[0] for one in rows), tuple(one.types[0] for one in rows if one.types))


# -- tensors -------------------------------------------------------------------------------------------------------

def collate(rows: Sequence[Encoded], pad_id: int, pad_side: str) -> Batch:
    """Windows padded to the longest: `input_ids`, `attention_mask` (W, T) [, `token_type_ids`], `owner` (W,)."""
    import numpy as np
    import torch

    ids = [w for r in rows for w in r.windows]
    types = [w for r in rows for w in r.types]
    width = max(map(len, ids))
    lengths = np.array([len(w) for w in ids])
    place = np.arange(width)[None, :]
    mask = place < lengths[:, None] if pad_side == "right" else place >= width - lengths[:, None]

    def fill(values: list[tuple[int, ...]], empty: int) -> torch.Tensor:
        out = np.full(mask.shape, empty, dtype=np.int64)
        out[mask] = np.concatenate([np.asarray(v, dtype=np.int64) for v in values])
        return torch.from_numpy(out)

    owner = torch.from_numpy(np.repeat(np.arange(len(rows)), [len(r.windows) for r in rows]))
    batch = Batch(input_ids=fill(ids, pad_id), attention_mask=torch.from_numpy(mask.astype(np.int64)), owner=owner)
    if types:
        batch["token_type_ids"] = fill(types, 0)
    return batch


def forward(task: Task, model: Model, batch: Batch) -> Outputs:
    """One forward pass, and what the task's `rows` makes of it: the `outputs` of most tasks."""
    logits = model(**{k: v.to(model.device) for k, v in batch.items() if k in INPUTS})
    return task.rows(logits, batch)


def add_targets(batch: Batch, rows: Sequence[Encoded], dtype: torch.dtype) -> Batch:
    """The batch with `targets` (B, ...), or as it is when a row has none."""
    import torch

    if all(r.target is not None for r in rows):
        batch["targets"] = torch.tensor([r.target for r in rows], dtype=dtype)
    return batch


def pool(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(W, outputs) of windows to (B, outputs) of rows in float32: the mean over a row's windows."""
    owner = batch["owner"]
    logits = logits.float()
    rows = int(owner[-1]) + 1
    if rows == len(owner):
        return logits
    total = logits.new_zeros(rows, logits.shape[1]).index_add(0, owner, logits)
    windows = logits.new_zeros(rows).index_add(0, owner, logits.new_ones(len(owner)))
    return total / windows[:, None]


def table(outputs: Outputs, width: int) -> NDArray[np.float64]:
    """Outputs that are rows of numbers as one array, (n, width)."""
    import numpy as np

    return np.asarray(outputs, np.float64).reshape(len(outputs), width)
