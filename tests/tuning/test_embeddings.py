"""Training only the rows in use gives what dense training gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel

from weitiao.tuning.embeddings import applies, used_rows


def small_bert() -> Any:
    torch.manual_seed(0)
    return BertModel(BertConfig(vocab_size=100, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                intermediate_size=32, max_position_embeddings=32, hidden_dropout_prob=0.0,
                                attention_probs_dropout_prob=0.0), add_pooling_layer=False)


IDS = torch.randint(0, 60, (5, 4, 7), generator=torch.Generator().manual_seed(0))


def train(model: Any) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    for ids in IDS:
        optimizer.zero_grad()
        model(input_ids=ids).last_hidden_state.pow(2)[..., 0].sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def test_equal_to_dense_training() -> None:
    dense, compact = small_bert(), small_bert()
    before = compact.get_input_embeddings().weight.detach().clone()
    train(dense)
    used = torch.unique(torch.cat([IDS.flatten(), torch.tensor([0, 99])]))
    with used_rows(compact, used) as rows:
        assert rows.shape == (len(used), 16)
        train(compact)
    for (name, a), (_, b) in zip(dense.named_parameters(), compact.named_parameters(), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-7), name
    untouched = sorted(set(range(100)) - set(IDS.flatten().tolist()))
    assert torch.equal(compact.get_input_embeddings().weight[untouched], before[untouched])


def test_padding_gets_no_gradient() -> None:
    model = small_bert()
    with used_rows(model, torch.tensor([0, 5, 7])) as rows:
        model(input_ids=torch.tensor([[5, 7, 0]])).last_hidden_state.pow(2)[..., 0].sum().backward()
        assert rows.grad is not None and not rows.grad[0].any() and rows.grad[1].any()


def test_a_token_that_was_not_announced_is_an_error() -> None:
    model = small_bert()
    with used_rows(model, torch.tensor([0, 5])), pytest.raises(IndexError):
        model(input_ids=torch.tensor([[6]]))


def test_the_table_is_back_after_an_error() -> None:
    model = small_bert()
    table = model.get_input_embeddings()
    with pytest.raises(ValueError, match="x"), used_rows(model, torch.tensor([0, 5])):
        raise ValueError("x")
    assert model.get_input_embeddings() is table


def test_not_for_tied_or_scaled_tables() -> None:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, GPT2Config, GPT2LMHeadModel

    tied = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=2))
    scaled = Gemma3ForCausalLM(Gemma3TextConfig(vocab_size=50, hidden_size=16, intermediate_size=16,
                                                num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
                                                head_dim=8, pad_token_id=0)).model
    assert applies(small_bert()) and not applies(tied) and not applies(scaled)
