"""Batches, loss and likelihood of every task whose answer is a text; `_speaker` makes the rows.

>>> speaker = meet("decoder", tokenizer)
>>> batch = collate(speaker.encode(chats, 512), speaker)   # input_ids, attention_mask, places, targets, place_owner, …
>>> loss_sum(model(**inputs), batch) / count(batch)
tensor(3.1415)

In a decoder's row position i - 1 predicts token i; an encoder-decoder is shown its answer one step late. Only the
logits at `places` are ever computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weitiao.models.spec import START
from weitiao.tasks import Batch, Encoded
from weitiao.tasks._speaker import IGNORED, Speaker

if TYPE_CHECKING:
    import torch

    from weitiao.metrics import Score
    from weitiao.metrics.likelihood import Cost

_AT_ONCE = 256  # places whose probabilities are in memory at a time


# -- tensors -------------------------------------------------------------------------------------------------------

def collate(rows: Sequence[Encoded], speaker: Speaker, *, packing: int = 0) -> Batch:
    """A micro-batch; without targets one for generation (a decoder's prompts are then padded on the left).

    `input_ids`, `attention_mask` (W, T); of encoder-decoders `decoder_input_ids` (B, S). With targets also `places`
    (P,), `targets` (P,), `place_owner` (P,) and `bytes` (B,). `owner` (B,) is the row's own number.

    Args:
        packing: a decoder's rows are laid end to end in rows of at least so many tokens, with `position_ids` that
            start anew with each (no attention_mask then: that is how transformers keeps them apart); 0: padded.
    """
    import torch

    pad = speaker.tokenizer.pad_token_id
    ids = [row.windows[0] for row in rows]
    learns = all(row.target is not None for row in rows)
    if speaker.kind != "decoder":
        batch = _padded(ids, pad)
        if learns:
            _add_answers(batch, [row.target for row in rows], pad)
    elif not learns:
        batch = _padded(ids, pad, left=True)
    elif packing:
        batch = _packed(ids, [row.target for row in rows], pad, packing)
    else:
        batch = _padded(ids, pad)
        width = batch["input_ids"].shape[1]
        _add_places(batch, [row.target for row in rows], [i * width for i in range(len(rows))])
    batch["owner"] = torch.arange(len(rows))
    if learns:
        batch["bytes"] = torch.tensor([row.notes for row in rows])
    return batch


def _padded(ids: Sequence[Sequence[int]], pad: int, *, left: bool = False) -> Batch:
    import torch

    width = max(map(len, ids))
    rows, mask = torch.full((len(ids), width), pad), torch.zeros(len(ids), width, dtype=torch.int64)
    for i, one in enumerate(ids):
        at = slice(width - len(one), width) if left else slice(0, len(one))
        rows[i, at], mask[i, at] = torch.tensor(one), 1
    return Batch(input_ids=rows, attention_mask=mask)


def _add_answers(batch: Batch, answers: Sequence[Sequence[int]], pad: int) -> None:
    import torch

    width = max(map(len, answers))
    late = torch.full((len(answers), width), pad)
    for i, one in enumerate(answers):
        late[i, : len(one)] = torch.tensor([START, *one[:-1]])
    batch["decoder_input_ids"] = late
    # Position i of the decoder has seen the answer up to token i - 1.
    _add_places(batch, [(IGNORED, *one) for one in answers], [i * width for i in range(len(answers))])


def _packed(ids: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], pad: int, width: int) -> Batch:
    import torch

    width = max(width, *map(len, ids))
    fill: list[int] = []  # tokens in each packed row so far
    starts: list[int] = []
    for one in ids:
        bin_ = next((b for b, used in enumerate(fill) if used + len(one) <= width), len(fill))
        if bin_ == len(fill):
            fill.append(0)
        starts.append(bin_ * width + fill[bin_])
        fill[bin_] += len(one)
    rows, places = torch.full((len(fill) * width,), pad), torch.zeros(len(fill) * width, dtype=torch.int64)
    for b, used in enumerate(fill):
        places[b * width + used : (b + 1) * width] = torch.arange(width - used)
    for one, at in zip(ids, starts, strict=True):
        rows[at : at + len(one)], places[at : at + len(one)] = torch.tensor(one), torch.arange(len(one))
    batch = Batch(input_ids=rows.reshape(-1, width), position_ids=places.reshape(-1, width))
    _add_places(batch, targets, starts)
    return batch


def _add_places(batch: Batch, targets: Sequence[Sequence[int]], starts: Sequence[int]) -> None:
    """`starts`: where each row begins in the flattened rows. The first token of a row is never predicted."""
    import torch

    found = [(at + i - 1, x, owner) for owner, (row, at) in enumerate(zip(targets, starts, strict=True))
             for i, x in enumerate(row) if x != IGNORED and i > 0]
    places, learnt, owners = zip(*found, strict=True)
    batch["places"], batch["targets"] = torch.tensor(places), torch.tensor(learnt)
    batch["place_owner"] = torch.tensor(owners)


# -- loss and scores -----------------------------------------------------------------------------------------------

def count(batch: Batch) -> float:
    """Tokens that are learnt."""
    return float(len(batch["targets"]))


def loss_sum(logits: torch.Tensor, batch: Batch, label_smoothing: float = 0.0) -> torch.Tensor:
    """Σ −log p(target) over the places (nats, float32); smoothing spreads that share of the target over all words
    (Szegedy et al. 2016, section 7)."""
    import torch.nn.functional as F

    return F.cross_entropy(logits.float(), batch["targets"], reduction="sum", label_smoothing=label_smoothing)


def rows(logits: torch.Tensor, batch: Batch) -> list[Cost]:
    """Per row: nats, tokens, bytes. Probabilities of a few places at a time are in memory."""
    import torch
    import torch.nn.functional as F

    from weitiao.metrics.likelihood import Cost

    truth = batch["targets"]
    parts = [F.cross_entropy(logits[i : i + _AT_ONCE].float(), truth[i : i + _AT_ONCE], reduction="none")
             for i in range(0, len(truth), _AT_ONCE)]
    owner, n = batch["place_owner"], len(batch["owner"])
    nll = torch.zeros(n, dtype=torch.float64, device=owner.device).index_add(0, owner, torch.cat(parts).double())
    tokens = torch.bincount(owner, minlength=n)
    return [Cost(*x) for x in zip(nll.tolist(), tokens.tolist(), batch["bytes"].tolist(), strict=True)]


def quick(said: Sequence[Cost]) -> dict[str, float]:
    """`{"perplexity": exp(Σ nats / Σ tokens)}` of all rows."""
    from weitiao.metrics import likelihood

    return {"perplexity": likelihood.quick(said)["perplexity"]}


def score_rows(said: Sequence[Cost], *, seed: int, resamples: int) -> list[Score]:
    """Perplexity, exp(Σ nats / Σ tokens), and bits per byte, Σ nats / (ln 2 · Σ bytes), with intervals over rows. Stop
    tokens cost bits, too, but are no bytes."""
    from weitiao.metrics import likelihood

    return likelihood.scores(said, seed=seed, resamples=resamples, note="right answers with their stop tokens")
