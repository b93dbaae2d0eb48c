"""Batches that narrow say what transformers' own loop says, and compute less."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from weitiao.models import narrowing
from weitiao.models.language import LanguageModel

from .test_speaking import BOTH, DECODERS, made

MOST = 24


def speaking(family: str) -> LanguageModel:
    config = copy.deepcopy(DECODERS[family])
    if family == "gemma3_text":
        config.sliding_window = 8
    model = made(config)
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():  # random models say one word again and again
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def endings(body: PreTrainedModel, **how: Any) -> list[int]:
    """Some words, by which some rows end early, some late, and some not at all."""
    free = body.generate(**prompts(), **how, eos_token_id=None)[:, 12:].tolist()
    return [free[0][2], free[1][20], free[3][7], free[5][14], free[6][17]]


def prompts() -> dict[str, torch.Tensor]:
    lengths = (4, 9, 6, 12, 5, 7, 12, 8)
    ids, mask = torch.zeros(8, 12, dtype=torch.int64), torch.zeros(8, 12, dtype=torch.int64)
    for row, n in enumerate(lengths):
        ids[row, -n:] = torch.randint(20, 90, (n,), generator=torch.Generator().manual_seed(row))
        mask[row, -n:] = 1
    return {"input_ids": ids, "attention_mask": mask}


def watched(body: PreTrainedModel) -> list[int]:
    """The rows of each pass."""
    seen: list[int] = []
    body.register_forward_pre_hook(lambda _, args, named: seen.append(len(named["input_ids"])), with_kwargs=True)
    return seen


@pytest.mark.parametrize("how", [{}, {"repetition_penalty": 1.5, "no_repeat_ngram_size": 3}], ids=["greedy", "penalties"])
@pytest.mark.parametrize("family", list(DECODERS))
def test_the_same_answers_with_fewer_rows_a_pass(family: str, how: dict[str, Any]) -> None:
    model = speaking(family)
    asked: dict[str, Any] = {"max_new_tokens": MOST, "pad_token_id": 0, "do_sample": False, **how}
    asked["eos_token_id"] = ends = endings(model.body, **asked)
    seen = watched(model.body)
    whole = model.body.generate(**prompts(), **asked)[:, 12:].tolist()
    before = sum(seen)
    seen.clear()
    said = model.generate(prompts(), **asked)
    cut = [next((row[: i + 1] for i, x in enumerate(row) if x in ends), row) for row in whole]
    assert said == cut and len({len(row) for row in said}) > 1, "rows end at different times"
    assert seen == sorted(seen, reverse=True) and seen[0] == 8 and seen[-1] <= 4 and sum(seen) < before


def test_answers_that_never_end_are_as_long_as_allowed() -> None:
    model = speaking("llama")
    said = model.generate(prompts(), max_new_tokens=9, eos_token_id=[89], pad_token_id=0, do_sample=False)
    assert [len(row) for row in said if 89 not in row] == [9] * sum(89 not in row for row in said)
    assert sum(89 not in row for row in said) > 4


@pytest.mark.parametrize("how", [{"do_sample": True}, {"num_beams": 2}, {"min_new_tokens": 3}, {"use_cache": False}])
def test_what_depends_on_the_batch_is_left_to_transformers(how: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"max_new_tokens": MOST, "do_sample": False}
    body = speaking("llama").body
    assert narrowing.fits(body, asked) and not narrowing.fits(body, {**asked, **how})
    assert not narrowing.fits(made(BOTH["t5"]).body, asked)
