"""Marian's students: the recurrence by its formula, its cache, what is saved, and who runs which code."""

from __future__ import annotations

import ast
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from student import model as made
from student import write
from weitiao import methods, models
from weitiao.models import ssru
from weitiao.models.build import build, load
from weitiao.models.spec import HeadSpec

SPEAKS = HeadSpec(0, kind="language", generation={"max_new_tokens": 7, "max_length": None})
IDS = torch.tensor([[4, 9, 30, 31, 7, 3], [5, 6, 3, 0, 0, 0]])
INPUTS = {"input_ids": IDS, "attention_mask": (IDS != 0).long()}
SAID = torch.tensor([[0, 8, 40, 41, 42], [0, 12, 13, 14, 15]])


@pytest.fixture
def folder(tmp_path: Path, tiny_tokenizer: Any) -> Path:
    """A student beside a tokenizer, as a starter or a run leaves it."""
    return write(tmp_path / "student", tiny_tokenizer)


def by_formula(cell: ssru.SSRU, x: torch.Tensor) -> torch.Tensor:
    """c_t = f_t c_{t-1} + (1 - f_t) W x_t; y_t = ReLU(c_t): step by step, in float64, with plain matrices."""
    w, wf, bf = (p.detach().double() for p in (cell.update.weight, cell.forget.weight, cell.forget.bias))
    rows = []
    for row in x.double():
        state, out = torch.zeros(x.shape[-1], dtype=torch.float64), []
        for at in row:
            gate = 1 / (1 + torch.exp(-(wf @ at + bf)))
            state = gate * state + (1 - gate) * (w @ at)
            out.append(state.clamp(min=0))
        rows.append(torch.stack(out))
    return torch.stack(rows)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 33])
def test_the_recurrence_is_the_published_one(length: int) -> None:
    torch.manual_seed(length)
    cell, x = ssru.SSRU(16, 0), torch.randn(3, length, 16)
    got, nothing = cell(x)
    assert nothing is None
    torch.testing.assert_close(got.double(), by_formula(cell, x), rtol=1e-5, atol=1e-6)


def test_its_gradient_is_that_of_a_loop() -> None:
    torch.manual_seed(0)
    forget, update = (torch.rand(2, 9, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    state, states = torch.zeros(2, 4, dtype=torch.float64), []
    for t in range(9):
        state = forget[:, t] * state + update[:, t]
        states.append(state)
    weights = torch.randn(2, 9, 4, dtype=torch.float64)
    want = torch.autograd.grad((torch.stack(states, 1) * weights).sum(), (forget, update))
    got = torch.autograd.grad((ssru.scan(forget, update) * weights).sum(), (forget, update))
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b)


def test_few_bits_do_not_reach_the_recurrence() -> None:
    """In bfloat16 a state that is nearly kept would stand still: 1 + 1/512 is 1 there."""
    cell, x = ssru.SSRU(8, 0).bfloat16(), torch.ones(1, 200, 8, dtype=torch.bfloat16)
    with torch.no_grad():
        cell.update.weight.copy_(torch.eye(8))
        cell.forget.weight.zero_()
        cell.forget.bias.fill_(6.0)  # a gate of 0.9975
    got, _ = cell(x)
    want = 1 - torch.sigmoid(torch.tensor(6.0)) ** torch.arange(1, 201)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got[0, :, 0].float(), want, rtol=0.005, atol=0.0)


def test_positions_are_marians() -> None:
    """Eight channels: λ is 1, 10000^(-1/3), 10000^(-2/3), 1/10000; sines first, then cosines."""
    table = ssru.Positions(40, 8).create_weight()
    for p, i in ((0, 0), (1, 0), (7, 1), (39, 2), (39, 3)):
        angle = p * 10000 ** (-i / 3)
        assert table[p, i] == pytest.approx(math.sin(angle), abs=1e-5)
        assert table[p, 4 + i] == pytest.approx(math.cos(angle), abs=1e-5)
    model = made()
    for side in (model.model.encoder, model.model.decoder):
        assert side.embed_positions.weight[:40].equal(ssru.Positions(40, 32).create_weight())


@torch.no_grad()
def test_padding_does_not_leak() -> None:
    model = made()
    whole = model(**INPUTS, decoder_input_ids=SAID, use_cache=False).logits
    alone = model(input_ids=IDS[1:, :3], decoder_input_ids=SAID[1:, :3], use_cache=False).logits
    torch.testing.assert_close(whole[1:, :3], alone, rtol=1e-4, atol=1e-5)
    other = SAID.clone()
    other[:, 3:] = 77
    later = model(**INPUTS, decoder_input_ids=other, use_cache=False).logits
    assert later[:, :3].equal(whole[:, :3]) and not torch.allclose(later[:, 3:], whole[:, 3:])


@torch.no_grad()
def test_word_by_word_it_says_what_it_says_at_once() -> None:
    model = made()
    whole = model(**INPUTS, decoder_input_ids=SAID, use_cache=False).logits
    cache, steps = None, []
    for part in (SAID[:, :1], SAID[:, 1:2], SAID[:, 2:5]):  # three at once: as assisted generation asks
        out = model(**INPUTS, decoder_input_ids=part, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        steps.append(out.logits)
    torch.testing.assert_close(torch.cat(steps, 1), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("how", [{"num_beams": 1}, {"num_beams": 4}, {"num_beams": 3, "length_penalty": 0.2}])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_greedy_and_beams_with_and_without_cache(how: dict[str, Any], seed: int) -> None:
    """Beams change places: a state that stayed behind would tell."""
    model = made(seed)
    asked = {**INPUTS, "max_new_tokens": 9, "do_sample": False, "no_repeat_ngram_size": 1, **how}
    cached, plain = (model.generate(**asked, use_cache=x) for x in (True, False))
    assert cached.equal(plain) and len(set(cached[0].tolist())) > 5


def test_the_file_imports_nothing_but_torch_and_transformers() -> None:
    assert ssru.__file__
    tree = ast.parse(Path(ssru.__file__).read_text(encoding="utf-8"))
    found = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    found |= {f"{'.' * n.level}{n.module}" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {x.split(".")[0] for x in found} - set(sys.stdlib_module_names) == {"torch", "transformers"}


PLAIN = """
import sys, torch
sys.modules["weitiao"] = None                      # an import of it would be an error
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
for asked in ({"trust_remote_code": False}, {}):   # without an answer it asks on stdin, which is closed
    try:
        AutoModelForSeq2SeqLM.from_pretrained(sys.argv[1], **asked)
    except ValueError as e:
        assert "trust_remote_code=True" in str(e), e
    else:
        raise SystemExit("loaded without leave")
model = AutoModelForSeq2SeqLM.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], trust_remote_code=True)
batch = tokenizer(["the good food", "a bad film was slow"], padding=True, return_tensors="pt", return_token_type_ids=False)
print()  # behind the question
print(type(model).__module__, model.generate(**batch, num_beams=2, max_new_tokens=6).tolist())
"""


def test_plain_transformers_loads_it_with_leave_and_never_without(folder: Path, tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_MODULES_CACHE": str(tmp_path / "modules")}
    got = subprocess.run([sys.executable, "-W", "ignore", "-c", PLAIN, str(folder)], capture_output=True, text=True, env=env,
                         stdin=subprocess.DEVNULL, timeout=300, check=False)
    assert got.returncode == 0, got.stderr
    module, _, said = got.stdout.strip().splitlines()[-1].partition(" ")
    assert module.startswith("transformers_modules."), "the file beside the weights, not an installed package"
    batch = models.tokenizer(folder)(["the good food", "a bad film was slow"], padding=True, return_tensors="pt",
                                     return_token_type_ids=False)
    model = load(folder, SPEAKS)
    assert json.loads(said) == model.body.generate(**batch, num_beams=2, max_new_tokens=6).tolist()


def test_code_in_the_folder_is_never_run_here(folder: Path, tmp_path: Path) -> None:
    (folder / "ssru.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"]["AutoModelForSeq2SeqLM"] = "evil.Model"
    (folder / "config.json").write_text(json.dumps(config))
    base = models.find(str(folder))
    assert (base.family, base.kind) == ("marian-ssru", "encoder-decoder")
    tokenizer = models.tokenizer(folder)
    model = build(base, SPEAKS, pooling="auto", dropout=None, seed=1)
    model.save(tmp_path / "again", tokenizer)
    assert type(load(tmp_path / "again", SPEAKS).body) is ssru.MarianSSRUMTModel and not (tmp_path / "ran").exists()
    assert (tmp_path / "again" / "ssru.py").read_bytes() == Path(str(ssru.__file__)).read_bytes(), "ours, not theirs"
    saved = json.loads((tmp_path / "again" / "config.json").read_text())["auto_map"]
    assert saved == {"AutoConfig": "ssru.MarianSSRUConfig", "AutoModelForSeq2SeqLM": "ssru.MarianSSRUMTModel"}


@pytest.mark.parametrize("name", ["lora", "ia3", "bitfit", "freeze", "full"])
def test_methods_move_the_recurrence_and_leave_a_plain_model(name: str, folder: Path, tiny_tokenizer: Any, tmp_path: Path) -> None:
    model = build(models.find(str(folder)), SPEAKS, pooling="auto", dropout=0.0, seed=1)
    inputs = {**INPUTS, "decoder_input_ids": SAID, "places": torch.arange(10)}
    method = methods.load(name)
    before = model(**inputs).detach()
    names = {n for n, _ in model.named_parameters()}
    attached = method.attach(model, method.Options())
    torch.testing.assert_close(attached.eval()(**inputs).detach(), before, rtol=1e-5, atol=1e-5)
    moving = {n: p.detach().clone() for n, p in attached.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD([p for p in attached.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(attached(**inputs), torch.arange(10)).backward()
        optimizer.step()
    moved = {n for n, p in attached.named_parameters() if n in moving and not p.equal(moving[n])}
    assert (name in ("ia3", "freeze")) or any("decoder.layers.0.self_attn" in n for n in moved), sorted(moved)
    want = attached.eval()(**inputs).detach()
    merged = method.merge(attached).eval()
    assert {n for n, _ in merged.named_parameters()} == names
    merged.save(tmp_path / "m", tiny_tokenizer)
    torch.testing.assert_close(load(tmp_path / "m", SPEAKS)(**inputs).detach(), want, rtol=1e-4, atol=1e-4)
