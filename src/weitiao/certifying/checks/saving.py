"""The saved folder says the same in plain transformers: logits, and for models that write the answers themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from weitiao.bundle import Bundle
from weitiao.certifying import Line
from weitiao.certifying.case import Case
from weitiao.core import files
from weitiao.core.i18n import t
from weitiao.example import Example
from weitiao.models import _load, ssru
from weitiao.models.spec import INPUTS, START

TITLE = ("the same in plain transformers", "与原生 transformers 一致")
LOGITS = 1e-4  # of the largest logit
_WRITTEN = 8  # rows that are answered in writing


@torch.inference_mode()
def measure(case: Case) -> Iterator[Line]:
    """The drawn test rows (training rows where there are none), one by one, so that nothing is padded or packed."""
    rows = case.drawn("test") or case.drawn("train")
    tuned, plain = case.bundle(), _plain(case.run.folder / "model")
    largest = 0.0
    for encoded in tuned.task.encode(rows, tuned.tokenizer, tuned.settings.max_length, windows=tuned.settings.windows):
        if encoded.left_out:
            continue
        batch = tuned.task.collate([encoded], tuned.tokenizer.pad_token_id, tuned.tokenizer.padding_side)
        inputs = {k: v for k, v in batch.items() if k in INPUTS}
        ours, theirs = tuned.model(**inputs), _logits(plain, tuned, inputs)
        largest = max(largest, float((ours - theirs).abs().max() / theirs.abs().max()))
    yield Line("saving", t("logits of {n} rows, this model against transformers' {c}",
                           "{n} 行的 logits，本模型与 transformers 的 {c} 相比", n=len(rows), c=type(plain).__name__),
               largest, LOGITS, "relative")
    if tuned.task.head().kind == "language" and not tuned.task.head().generation.get("do_sample"):
        yield _written(tuned, plain, rows[:_WRITTEN])


def _plain(folder: Path) -> Any:
    """The class that config.json names, as transformers loads it."""
    import transformers

    name = files.read_json(folder / "config.json")["architectures"][0]
    ssru.register()  # the one family that lies beside its weights
    cls = getattr(transformers, name, None) or getattr(ssru, name)
    with _load.quiet():
        return cls.from_pretrained(folder).eval()


def _logits(plain: Any, tuned: Bundle, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Its logits in the form of ours; see `HeadSpec.kind`."""
    given = {k: v for k, v in inputs.items() if k != "places"}
    if "decoder_input_ids" in given:
        start = plain.generation_config.decoder_start_token_id
        start = plain.generation_config.bos_token_id if start is None else start
        given["decoder_input_ids"] = given["decoder_input_ids"].masked_fill(given["decoder_input_ids"] == START, start)
    out = plain(**given)
    if tuned.task.head().kind == "span":
        return torch.stack([out.start_logits, out.end_logits], -1)
    if "places" in inputs:
        return out.logits.flatten(0, 1)[inputs["places"], : tuned.model.first_virtual]  # type: ignore[no-any-return]
    return out.logits  # type: ignore[no-any-return]


def _written(tuned: Bundle, plain: Any, rows: list[Example]) -> Line:
    """Answers token by token, by transformers' own `generate` and the generation_config.json beside the weights."""
    asked = [replace(e, target=None) for e in rows]
    said = tuned.task.decode(tuned.outputs(asked))
    encoded = tuned.task.encode(asked, tuned.tokenizer, tuned.settings.max_length)
    differ = 0
    for row, got in zip(encoded, said, strict=True):
        ids = torch.tensor([row.windows[0]])
        with _load.quiet():
            out = plain.generate(input_ids=ids, attention_mask=torch.ones_like(ids))[0]
        new = out[1:] if plain.config.is_encoder_decoder else out[ids.shape[1]:]
        differ += tuned.tokenizer.decode(new, skip_special_tokens=True).strip() != got["text"]
    what = t("answers of {n} rows that differ from transformers' generate",
             "{n} 行中与 transformers 的 generate 不同的答案", n=len(rows))
    return Line("saving", what, float(differ), 0.0, "answers")
