"""Greedy answers of a decoder in a batch that narrows: a row that has ended is not computed any further.

>>> narrowed(body, ids, mask, {}, ends={2})
[[8, 412, 2], ...]

transformers' `generate` computes the whole batch until its last row has ended. Answers differ in length, and one that
never ends is as long as is allowed: much of the work would be done on rows of which nothing more is kept. So when half
of the rows have ended, the others go on alone, with their part of the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache, StoppingCriteria, StoppingCriteriaList
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Settings that count from where a call of `generate` begins, which a narrowed batch does more than once.
_COUNTED = ("min_new_tokens", "begin_suppress_tokens", "exponential_decay_length_penalty")


def fits(body: PreTrainedModel, how: Mapping[str, Any]) -> bool:
    """Is it a decoder with an ordinary cache, whose answers (`how` beside its own settings) depend on nothing but the
    words before? Draws and beams depend on the whole batch."""
    said = {**body.generation_config.to_dict(), **how}
    greedy = not said["do_sample"] and (said["num_beams"] or 1) == 1
    cached = said["use_cache"] is not False and said["cache_implementation"] is None
    if body.config.is_encoder_decoder or not (greedy and cached and said["max_new_tokens"]):
        return False
    if any(said[name] is not None for name in _COUNTED) or not body._supports_default_dynamic_cache():
        return False
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in _cache(body).layers)


def narrowed(body: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, how: Mapping[str, Any],
             ends: set[int]) -> list[list[int]]:
    """What `generate` adds to each row of `ids` (W, T), padded on the left; more may stand behind the end token."""
    begin, most = ids.shape[1], {**body.generation_config.to_dict(), **how}["max_new_tokens"]
    cache, going = _cache(body), list(range(len(ids)))
    said: list[list[int]] = [[] for _ in going]
    while going:
        more = {**how, "max_new_tokens": most - (ids.shape[1] - begin)}
        out = body.generate(input_ids=ids, attention_mask=mask, past_key_values=cache, return_dict_in_generate=True,
                            stopping_criteria=StoppingCriteriaList([_HalfEnded(begin, ends)]), **more)
        new = out.sequences[:, begin:].tolist()
        for row, answer in zip(going, new, strict=True):
            said[row] = answer
        left = [i for i, answer in enumerate(new) if len(answer) < most and ends.isdisjoint(answer)]
        going = [going[i] for i in left]
        at = torch.tensor(left, dtype=torch.int64, device=ids.device)
        mask = torch.nn.functional.pad(mask, (0, out.sequences.shape[1] - ids.shape[1]), value=1)[at]
        ids, cache = out.sequences[at], out.past_key_values
        cache.batch_select_indices(at)
    return said


def _cache(body: PreTrainedModel) -> DynamicCache:
    return DynamicCache(config=body.config.get_text_config(decoder=True))


class _HalfEnded(StoppingCriteria):  # type: ignore[misc]
    """Stops the whole batch when half of its rows, or more, hold an end token behind `begin`."""

    def __init__(self, begin: int, ends: set[int]) -> None:
        self.begin, self.ends = begin, torch.tensor(sorted(ends))

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        ended = torch.isin(input_ids[:, self.begin :], self.ends.to(input_ids.device)).any(1)
        return torch.full_like(ended, bool(2 * ended.sum() >= len(ended)))
