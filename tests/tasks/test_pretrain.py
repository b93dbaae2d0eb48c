"""Raw text as blocks and masks: nothing is lost, each token counts once, and what is hidden depends on nothing else."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from weitiao import models, tasks
from weitiao.core.errors import ModelError, RecipeError
from weitiao.example import Row
from weitiao.models.build import build
from weitiao.models.spec import INPUTS
from weitiao.tasks import _blocks
from weitiao.tasks._chunked import cross_entropy, each

TEXT = "the food was good ，味道很好，下次还来。 " * 12
SHORT = "a slow train"


class Made:
    def __init__(self, folder: Path, **options: Any) -> None:
        base = models.find(str(folder))
        self.tokenizer = models.tokenizer(folder)
        self.task: Any = tasks.make("pretrain", options, {"text": "text"})
        self.task.bind(base.kind, self.tokenizer)
        self.model = build(base, self.task.head(), pooling="auto", dropout=0.0, seed=1)

    def encode(self, *texts: str, length: int = 32) -> list[tasks.Encoded]:
        examples = [self.task.read(Row({"text": x}, "a.jsonl", i + 1)) for i, x in enumerate(texts)]
        return self.task.encode(examples, self.tokenizer, length)  # type: ignore[no-any-return]

    def batch(self, *rows: tasks.Encoded) -> tasks.Batch:
        return self.task.collate(rows, self.tokenizer.pad_token_id, "right")  # type: ignore[no-any-return]

    def logits(self, batch: tasks.Batch) -> torch.Tensor:
        return self.model(**{k: v for k, v in batch.items() if k in INPUTS})  # type: ignore[no-any-return]


@pytest.fixture(params=["encoder", "decoder"])
def made(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Made:
    return Made(tiny_folders[request.param])


@pytest.fixture
def encoder(tiny_folders: dict[str, Path]) -> Made:
    return Made(tiny_folders["encoder"])


# -- blocks ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("length", [8, 31, 32, 64])
def test_blocks_hold_every_token_once(made: Made, length: int) -> None:
    for text in (TEXT, SHORT):
        [row] = made.encode(text, length=length)
        assert all(len(w) <= length for w in row.windows) and row.tokens_lost == 0
        learnt = [i for w, sizes in zip(row.windows, row.target, strict=True)
                  for i, size in zip(w, sizes, strict=True) if size != _blocks.CONTEXT]
        end = [3] if made.task.kind == "decoder" else []
        assert learnt == [*made.tokenizer(text, add_special_tokens=False)["input_ids"], *end]
        assert sum(s for sizes in row.target for s in sizes if s >= 0) == len(text.encode())


def test_bytes_are_those_of_the_text_before_each_tokens_end(made: Made) -> None:
    [row] = made.encode("a 好 very  ")
    sizes = [s for s in row.target[0] if s >= 0]
    assert sizes == [len("a"), len(" 好".encode()), len(" very  ")]


def test_a_decoders_blocks_repeat_one_token_and_foresee_each_once(tiny_folders: dict[str, Path]) -> None:
    made = Made(tiny_folders["decoder"])
    [row] = made.encode(TEXT, length=16)
    assert len(row.windows) > 2
    batch = made.batch(row)
    whole = [*made.tokenizer(TEXT, add_special_tokens=False)["input_ids"], 3]
    assert batch["targets"].tolist() == whole, "the tokenizer puts [CLS] before: the first token is foreseen, too"
    flat = batch["input_ids"].flatten()
    before = flat[batch["places"]].tolist()
    assert before[1:] == whole[:-1] and before[0] == 2


def test_cost_of_a_document_is_that_of_plain_transformers(tiny_folders: dict[str, Path]) -> None:
    """One block: transformers' own loss, a mean over the foreseen tokens, in float64."""
    from transformers import AutoModelForCausalLM

    made = Made(tiny_folders["decoder"])
    [row] = made.encode(TEXT, length=250)
    assert len(row.windows) == 1
    ids = torch.tensor(row.windows)[:, :-1]  # the end of the document is learnt, and no part of the text
    plain = AutoModelForCausalLM.from_pretrained(tiny_folders["decoder"]).double().eval()
    logits = plain(ids).logits[0]
    want = float(torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:], reduction="sum").detach())
    with torch.no_grad():
        [cost] = made.task.outputs(made.model, made.batch(row))
    assert cost.nats == pytest.approx(want, rel=1e-5)
    assert (cost.tokens, cost.bytes) == (ids.shape[1] - 1, len(TEXT.encode()))
    assert made.task.decode([cost])[0]["value"] == pytest.approx(want / math.log(2) / len(TEXT.encode()), rel=1e-5)


def test_a_document_ends_with_the_end_token_once_and_where_it_ends(tiny_folders: dict[str, Path]) -> None:
    made = Made(tiny_folders["decoder"])
    for length in (8, 16, 17, 18, 64):
        [row] = made.encode(TEXT, length=length)
        assert [x for w in row.windows for x in w].count(3) == 1 and row.windows[-1][-1] == 3, length
        assert row.target[-1][-1] == _blocks.END and sum(s == _blocks.END for t in row.target for s in t) == 1
        assert made.batch(row)["targets"][-1] == 3
    [told] = made.encode("the end [SEP]")  # what a user wrote is no end
    assert told.windows[0].count(3) == 1
    # A tokenizer that says what ends a text is believed, another one is asked for its end token.
    assert _blocks.frame(made.tokenizer, "decoder").end == (3,)
    made.tokenizer.backend_tokenizer.post_processor = None
    assert _blocks.frame(made.tokenizer, "decoder").end == (3,), "[SEP]: it has no other"
    made.tokenizer.eos_token = "[MASK]"
    assert _blocks.frame(made.tokenizer, "decoder").end == (4,)
    made.tokenizer.eos_token = made.tokenizer.sep_token = None
    with pytest.raises(ModelError, match=r"model\.no_stop_token"):
        _blocks.frame(made.tokenizer, "decoder")
    assert _blocks.frame(made.tokenizer, "encoder").end == ()


def test_the_end_is_learnt_and_not_scored(tiny_folders: dict[str, Path]) -> None:
    made = Made(tiny_folders["decoder"])
    [row] = made.encode(SHORT)
    batch = made.batch(row)
    with torch.no_grad():
        logits = made.logits(batch)
        [cost] = made.task.rows(logits, batch)
        parts = torch.nn.functional.cross_entropy(logits, batch["targets"], reduction="none")
    assert made.task.count(batch) == cost.tokens + 1
    assert float(made.task.loss_sum(logits, batch)) == pytest.approx(float(parts.sum()), rel=1e-5)
    assert cost.nats == pytest.approx(float(parts[:-1].sum()), rel=1e-5)


@torch.no_grad()
def test_long_documents_are_scored_part_by_part(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = made.encode(TEXT, SHORT, TEXT * 3, length=16)
    batch = made.batch(*rows)
    whole = made.task.rows(made.logits(batch), batch)
    monkeypatch.setattr("weitiao.tasks.pretrain._AT_ONCE", 40)
    parts = made.task.outputs(made.model, batch)
    alone = [made.task.outputs(made.model, made.batch(row))[0] for row in rows]
    for a, b, c in zip(whole, parts, alone, strict=True):
        assert a.nats == pytest.approx(b.nats, rel=1e-5) and a.nats == pytest.approx(c.nats, rel=1e-5)
        assert a[1:] == b[1:] == c[1:]


def test_no_room_and_a_foreign_script_are_refused(encoder: Made) -> None:
    with pytest.raises(RecipeError, match="leaves no room"):
        encoder.encode(TEXT, length=3)
    with pytest.raises(ModelError, match=r"model\.unknown_words"):
        encoder.encode("ГДЕ ЗДЕСЬ " * 9)


def test_an_encoder_without_a_mask_is_refused(encoder: Made) -> None:
    encoder.tokenizer.mask_token = None
    with pytest.raises(ModelError, match=r"model\.no_mask"):
        encoder.task.bind("encoder", encoder.tokenizer)


# -- masks -----------------------------------------------------------------------------------------------------------

def hidden(batch: tasks.Batch, drawn: Any) -> dict[tuple[int, int], tuple[int, int]]:
    """(window, place) to (the token, what is shown there) of every drawn place."""
    width = batch["input_ids"].shape[1]
    shown = drawn["input_ids"].flatten()
    return {divmod(int(p), width): (int(x), int(shown[p]))
            for p, x in zip(drawn["places"], drawn["targets"], strict=True)}


def test_a_share_of_each_block_is_hidden_and_never_a_special_token(encoder: Made) -> None:
    rows = encoder.encode(TEXT, SHORT, length=32)
    batch = encoder.batch(*rows)
    found = hidden(batch, batch)
    blocks = [w for row in rows for w in row.windows]
    special = set(encoder.tokenizer.all_special_ids)
    for i, window in enumerate(blocks):
        known = sum(x not in special for x in window)
        assert sum(w == i for w, _ in found) == max(1, round(0.15 * known))
    for (i, place), (token, shown) in found.items():
        assert blocks[i][place] == token and token not in special and shown == encoder.tokenizer.mask_token_id


def test_in_training_four_fifths_are_masks_a_tenth_random_and_a_tenth_stays(encoder: Made) -> None:
    batch = encoder.batch(*encoder.encode(TEXT, length=64))
    ways: Counter[str] = Counter()
    for number in range(1500):
        assert batch.redrawn is not None
        for token, shown in hidden(batch, batch.redrawn(number)).values():
            ways["mask" if shown == 4 else "stays" if shown == token else "random"] += 1
            assert shown == 4 or shown not in encoder.tokenizer.all_special_ids
    n = sum(ways.values())
    for way, share in (("mask", 0.8), ("random", 0.1), ("stays", 0.1)):
        assert ways[way] / n == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / n) + 0.001)


def test_what_is_hidden_depends_on_the_block_and_the_number_alone(encoder: Made) -> None:
    first, second = encoder.encode(TEXT, SHORT * 5, length=64)
    both, alone = encoder.batch(second, first), encoder.batch(first)
    shift = len(second.windows)
    for number in (None, 3, 4):
        a = both if number is None else both.redrawn(number)  # type: ignore[misc]
        b = alone if number is None else alone.redrawn(number)  # type: ignore[misc]
        got = {(w - shift, p): x for (w, p), x in hidden(both, a).items() if w >= shift}
        assert got == hidden(alone, b)
    assert alone.redrawn is not None
    draws = [hidden(alone, alone.redrawn(n)) for n in (3, 4)]
    assert draws[0].keys() != draws[1].keys()


def test_every_known_token_is_hidden_at_some_time(encoder: Made) -> None:
    [row] = encoder.encode(TEXT, length=64)
    batch = encoder.batch(row)
    assert batch.redrawn is not None
    seen = {place for n in range(60) for place in hidden(batch, batch.redrawn(n))}
    special = set(encoder.tokenizer.all_special_ids)
    assert len(seen) > 0.98 * sum(x not in special for w in row.windows for x in w)


def test_a_decoder_draws_nothing(tiny_folders: dict[str, Path]) -> None:
    made = Made(tiny_folders["decoder"])
    assert made.batch(*made.encode(TEXT)).redrawn is None


# -- cross-entropy ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("n", [0, 1, 128, 300])
def test_cross_entropy_in_chunks_is_cross_entropy(n: int) -> None:
    torch.manual_seed(0)
    logits = (torch.randn(n, 50) * 4).requires_grad_()
    targets = torch.randint(50, (n,))
    exact = logits.detach().double().requires_grad_()
    want = torch.nn.functional.cross_entropy(exact, targets, reduction="sum")
    (want / 3).backward()  # type: ignore[no-untyped-call]
    got = cross_entropy(logits, targets)
    (got / 3).backward()  # type: ignore[no-untyped-call]
    assert got.dtype == torch.float32 and float(got.detach()) == pytest.approx(float(want.detach()), rel=1e-6)
    assert logits.grad is not None and exact.grad is not None
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=1e-5, atol=1e-7)
    assert float(each(logits, targets).sum()) == pytest.approx(float(want.detach()), rel=1e-5)


def test_cross_entropy_takes_low_precision(encoder: Made) -> None:
    logits = torch.randn(20, 50).bfloat16().requires_grad_()
    loss = cross_entropy(logits, torch.arange(20))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.dtype == torch.float32 and logits.grad is not None and logits.grad.dtype == torch.bfloat16
    assert np.isfinite(logits.grad.float().numpy()).all()
