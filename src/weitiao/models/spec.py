"""What a task asks of a model, and how the two speak. Light: imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "decoder_input_ids",
          "decoder_attention_mask", "places")
"""The names of a batch's tensors that go into the model; all others are the task's own."""

START = -1
"""In `decoder_input_ids`: the token with which this model's decoder begins, whatever its number."""

PROMPT = "weitiao_prompt"
"""In config.json: the id of the first virtual token (see models/grown.py); there is none where it is absent."""

VIRTUAL = "<|prompt-"
"""How the names of virtual tokens begin."""

Kind = Literal["sequence", "tokens", "span", "language", "corpus"]


def virtual_ids(tokenizer: Any) -> frozenset[int]:
    """The ids of the virtual tokens that a tokenizer writes before every text; mostly none."""
    return frozenset(i for token, i in tokenizer.get_added_vocab().items() if token.startswith(VIRTUAL))


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """What the model gives.

    Args:
        outputs: size of the logits' last axis; 0 where it is the vocabulary's.
        problem_type: transformers' own word, saved into config.json; "" where there is none.
        labels: output names, or ().
        kind: sequence: numbers a row, (W, outputs); tokens: numbers a token, (W, T, outputs); span: start and end of
            each token, (W, T, 2); language: the vocabulary's logits at the batch's `places` (P,), of a decoder, an
            encoder-decoder or a pair of encoders made into one; corpus: the same of a decoder, or of an encoder that
            fills masks.
        generation: how a language model answers, under transformers' own names (max_new_tokens, eos_token_id, …): they
            go into generation_config.json, so that plain transformers says the same.
    """

    outputs: int
    problem_type: Literal["single_label_classification", "multi_label_classification", "regression", ""] = ""
    labels: tuple[str, ...] = ()
    kind: Kind = "sequence"
    generation: Mapping[str, Any] = field(default_factory=dict)
