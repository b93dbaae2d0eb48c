"""Tasks that write, with tiny models: gradients of every split, answers as plain transformers gives them, baselines."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from weitiao import models, tasks
from weitiao.bundle import Settings, load, save
from weitiao.core.errors import DataError, ModelError
from weitiao.evaluate import baselines
from weitiao.evaluate.baselines.lead import lead
from weitiao.example import Example, Row
from weitiao.models.build import build
from weitiao.models.spec import INPUTS
from weitiao.recipe import Recipe
from weitiao.tasks._speaker import IGNORED, Text
from weitiao.tuning.loop import Rows, accumulate
from weitiao.tuning.setup import Job, prepare

WORDS = ["the", "a", "good", "bad", "movie", "food", "service", "room", "price", "music", "slow", "fast", "clean", "happy", "sad", "train", "car"]
KINDS = ["decoder", "encoder-decoder"]
SPLITS = {"12x1": [list(range(12))], "4x3": [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]],
          "ragged": [[3], [1, 2, 0, 11, 10], [4, 5, 6, 7, 8, 9]]}


def pairs(n: int = 12) -> list[dict[str, str]]:
    random = torch.Generator().manual_seed(3)

    def some(most: int) -> str:
        k = int(torch.randint(1, most, (), generator=random))
        return " ".join(WORDS[i] for i in torch.randint(len(WORDS), (k,), generator=random))

    return [{"q": some(14), "a": some(9)} for _ in range(n)]


class Made:
    """The task generate on made-up pairs with a tiny base."""

    def __init__(self, folder: Path, kind: str, **options: Any) -> None:
        self.base = models.find(str(folder))
        self.tokenizer = models.tokenizer(folder)
        self.task = tasks.make("generate", {"max_new_tokens": 8, **options}, {"prompt": "q", "target": "a"})
        self.examples = tasks.read_all(self.task, [Row(r, "made.jsonl", i + 1) for i, r in enumerate(pairs())])
        self.task.fit(self.examples)
        self.task.bind(kind, self.tokenizer)
        encoded = self.task.encode(self.examples, self.tokenizer, 64)
        self.rows = Rows(encoded, [e.source for e in self.examples], [e.target for e in self.examples],
                         self.tokenizer.pad_token_id, "right")

    def model(self) -> Any:
        return build(self.base, self.task.head(), pooling="auto", dropout=0.0, seed=1)

    def gradient(self, home: Path, micro: list[list[int]]) -> tuple[float, dict[str, torch.Tensor]]:
        recipe = Recipe.build({"tune": {
            "epochs": 1.0, "batch_size": 12, "micro_batch_size": 12, "micro_batch_tokens": 8192, "learning_rate": 1e-3,
            "head_learning_rate": 1e-3, "precision": "fp32", "device": "cpu", "metric": "loss", "embeddings": "train"}})
        empty = Rows([], [], [], self.tokenizer.pad_token_id, "right")
        with ExitStack() as stack:
            engine = prepare(Job(recipe, home, self.model(), self.task, self.rows, empty), stack)[1].engine
            engine.model.train()
            loss, _ = accumulate(engine, 0, micro)
            return loss, {n: m.grad.clone() for n, m in engine.weights.masters.items() if m.grad is not None}

    def reference(self) -> tuple[float, dict[str, torch.Tensor]]:
        """Row by row in float64, without padding, −log p of each learnt token from the whole logits."""
        model = self.model().double()
        body, total, count = model.body, torch.zeros((), dtype=torch.float64), 0
        for row in self.rows.encoded:
            ids = torch.tensor([row.windows[0]])
            if body.config.is_encoder_decoder:
                start = body.generation_config.decoder_start_token_id
                late = torch.tensor([[start, *row.target[:-1]]])
                p = body(input_ids=ids, decoder_input_ids=late).logits[0].log_softmax(-1)
                said = list(enumerate(row.target))
            else:
                p = body(input_ids=ids).logits[0].log_softmax(-1)
                said = [(i - 1, x) for i, x in enumerate(row.target) if x != IGNORED]
            total, count = total - sum(p[i, x] for i, x in said), count + len(said)
        (total / count).backward()
        return float(total.detach()) / count, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    own, other = (torch.cat([x[n].double().flatten() for n in sorted(a)]) for x in (a, b))
    return float((own - other).norm() / other.norm())


@pytest.mark.parametrize(("kind", "packing"), [("decoder", False), ("decoder", True), ("encoder-decoder", False)])
def test_gradient_is_that_of_the_reference_for_every_split(kind: str, packing: bool, tiny_folders: dict[str, Path],
                                                           tmp_path: Path) -> None:
    made = Made(tiny_folders[kind], kind, packing=packing)
    want_loss, want = made.reference()
    for name, micro in SPLITS.items():
        loss, got = made.gradient(tmp_path / name, micro)
        assert loss == pytest.approx(want_loss, rel=1e-6)
        assert distance(got, want) < 1e-5, name


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_folder_answers_in_plain_transformers_token_by_token(kind: str, tiny_folders: dict[str, Path],
                                                                     tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    made = Made(tiny_folders[kind], kind, repetition_penalty=1.3)
    model = made.model()
    with torch.no_grad():  # a model that says more than one word
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())) * 0.3)
    save(tmp_path / "m", model, made.tokenizer, "generate", made.task, Settings(64, False, {}), {})
    ours = load(tmp_path / "m")
    asked = [e.inputs["prompt"] for e in made.examples]
    said = ours.predict(asked)
    auto = AutoModelForCausalLM if kind == "decoder" else AutoModelForSeq2SeqLM
    plain, words = auto.from_pretrained(tmp_path / "m").eval(), AutoTokenizer.from_pretrained(tmp_path / "m")
    for row, got in zip(ours.task.encode([replace(e, target=None) for e in made.examples], ours.tokenizer, 64), said,
                        strict=True):
        ids = torch.tensor([row.windows[0]])
        out = plain.generate(input_ids=ids, attention_mask=torch.ones_like(ids))[0]
        new = out[1:] if kind == "encoder-decoder" else out[ids.shape[1]:]
        assert words.decode(new, skip_special_tokens=True).strip() == got["text"]
        assert got["stopped"] == bool(new[-1] == 3) and len(new) <= 8
    assert len({x["text"] for x in said}) > 1, "the test would not see rows that are mixed up"


def test_other_tokens_are_noticed_when_a_bundle_is_loaded(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    made = Made(tiny_folders["decoder"], "decoder")
    save(tmp_path / "m", made.model(), made.tokenizer, "generate", made.task, Settings(64, False, {}), {})
    load(tmp_path / "m")
    (tmp_path / "m" / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}[SEP]{% endfor %}")
    with pytest.raises(ModelError, match=r"model\.other_tokens"):
        load(tmp_path / "m")


def test_drawn_answers_depend_on_the_prompt_alone(tiny_folders: dict[str, Path]) -> None:
    made = Made(tiny_folders["decoder"], "decoder", do_sample=True, temperature=2.0, max_new_tokens=12)
    model, asked = made.model(), [replace(e, target=None) for e in made.examples[:4]]
    rows = made.task.encode(asked, made.tokenizer, 64)
    batch = made.task.collate(rows, 0, "right")
    torch.manual_seed(1)
    first = made.task.outputs(model, batch)
    torch.manual_seed(2)
    assert made.task.outputs(model, batch) == first


def test_answers_are_not_cut_below_what_training_holds(tiny_folders: dict[str, Path]) -> None:
    made = Made(tiny_folders["decoder"], "decoder")
    task = tasks.make("generate", {}, {"prompt": "q", "target": "a"})
    task.fit(made.examples)
    task.bind("decoder", made.tokenizer)
    longest = max(sum(x != IGNORED for x in row.target) for row in made.rows.encoded)
    assert longest <= task.head().generation["max_new_tokens"] <= 2 * longest + 8
    assert task.state()["longest"] == [], "no text of the user stays in the model's folder"


def test_a_pad_token_that_is_the_stop_token_is_still_learnt(tiny_folders: dict[str, Path]) -> None:
    made = Made(tiny_folders["decoder"], "decoder")
    made.tokenizer.pad_token = "[SEP]"
    batch = made.task.collate(made.task.encode(made.examples, made.tokenizer, 64), made.tokenizer.pad_token_id, "right")
    assert int((batch["targets"] == 3).sum()) == len(made.examples)


def test_a_summary_keeps_the_beginning_of_what_is_too_long(tiny_folders: dict[str, Path]) -> None:
    task = tasks.make("summarise", {"instruction": "in short"}, {"prompt": "p", "target": "t"})
    text = "happy train " + "the movie is good . " * 40 + "sad car"
    examples = [task.read(Row({"p": text, "t": "a good movie"}, "x", 1)), task.read(Row({"p": "x", "t": "y"}, "x", 2))]
    task.fit(examples)
    tokenizer = models.tokenizer(tiny_folders["decoder"])
    task.bind("decoder", tokenizer)
    row = task.encode(examples, tokenizer, 60)[0]
    shown = tokenizer.decode(row.windows[0])
    assert "happy train" in shown and "sad car" not in shown and "in short" in shown and "a good movie" in shown
    assert row.length <= 60 and row.tokens_lost > 0
    with pytest.raises(DataError, match=r"data\.too_long"):
        strict = tasks.make("summarise", {"too_long": "stop"}, {"prompt": "p", "target": "t"})
        strict.fit(examples)
        strict.bind("decoder", tokenizer)
        strict.encode(examples, tokenizer, 60)


# -- baselines -----------------------------------------------------------------------------------------------------

def case(made: Made, **recipe: Any) -> baselines.Case:
    resolved = Recipe.build({"model": {"name": str(made.base.folder), "max_length": 64}, **recipe})
    return baselines.Case(made.task, made.examples[:8], [replace(e, target=None) for e in made.examples[8:]], resolved,
                          "cpu", bf16=False)


def test_copy_lead_and_nearest(tiny_folders: dict[str, Path]) -> None:
    made = Made(tiny_folders["decoder"], "decoder")
    found = case(made)
    asked = [e.inputs["prompt"] for e in found.test]
    assert [o.text for o in baselines.load("copy").make(found).outputs] == asked
    known = baselines.Case(made.task, made.examples[:8], [replace(e, target=None) for e in made.examples[:8]],
                           found.recipe, "cpu", bf16=False)
    got = baselines.load("nearest").make(known)
    assert [o.text for o in got.outputs] == [e.target for e in made.examples[:8]] and got.train_rows == 8
    assert all(o.text for o in baselines.load("lead").make(found).outputs)


@pytest.mark.parametrize(("text", "wanted", "got"), [
    ("One two. Three four. Five.", 15, "One two. Three four."), ("One two. Three four. Five.", 1, "One two."),
    ("很好。不错！还行？", 3, "很好。"), ("很好。不错！还行？", 6, "很好。不错！"), ("no end", 50, "no end"), ("3.5 points up. Yes.", 5, "3.5 points up.")])
def test_first_sentences(text: str, wanted: float, got: str) -> None:
    assert lead(text, wanted) == got


@pytest.mark.parametrize("kind", KINDS)
def test_the_frozen_base_answers_with_and_without_examples(kind: str, tiny_folders: dict[str, Path]) -> None:
    made = Made(tiny_folders[kind], kind)
    found = case(made)
    alone = baselines.load("zero_shot").make(found)
    assert len(alone.outputs) == 4 and all(isinstance(o, Text) for o in alone.outputs) and alone.train_rows == 0
    shown = baselines.load("few_shot").make(found)
    assert len(shown.outputs) == 4 and 1 <= shown.train_rows <= 4 and f"{shown.train_rows} examples" in shown.how
    if kind == "decoder":
        rows = made.task.encode_after(made.examples[:2], found.test, 64)
        text = made.tokenizer.decode(rows[0].windows[0])
        assert all(made.tokenizer.decode(made.tokenizer(e.target, add_special_tokens=False)["input_ids"]) in text
                   for e in made.examples[:2])
        assert "[SEP]" not in text, "a base model takes an end token for the end of a document"


def test_examples_of_a_row_with_a_system_prompt_stand_behind_it() -> None:
    task = tasks.make("generate", {}, {"prompt": "q", "target": "a", "system": "s"})
    example = Example("1", {"prompt": "x", "system": "S"}, "y", "f:1")
    assert [m.role for m in task.chat(example).messages] == ["system", "user", "assistant"]


def test_adapters_leave_the_words_alone(tiny_folders: dict[str, Path]) -> None:
    """The output layer of this base is its word embeddings: an adapter merged into it would change what is read."""
    from weitiao.methods import lora

    made = Made(tiny_folders["decoder"], "decoder")
    model = made.model()
    words = model.word_embeddings().weight.detach().clone()
    torch.manual_seed(1)
    tuned = lora.attach(model, lora.Options(rank=2))
    with torch.no_grad():
        for name, p in tuned.named_parameters():
            if "lora_B" in name:
                p.normal_()
    batch = {k: v for k, v in made.task.collate(made.rows.encoded, 0, "right").items() if k in INPUTS}
    with torch.no_grad():
        before = tuned.eval()(**batch)
        after = lora.merge(tuned)(**batch)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
    assert tuned.word_embeddings().weight.equal(words)


def test_messages_are_cleaned_as_texts_are() -> None:
    from weitiao.bundle import clean_example

    example = Example("1", {"messages": [{"role": "user", "content": "ＡＢＣ <b>x</b>"}]}, "y", "f:1")
    got = clean_example(example, Recipe.build({"clean": {"width": True, "html": True}}).clean.model_dump())
    assert got.inputs["messages"] == [{"role": "user", "content": "ABC x"}]
