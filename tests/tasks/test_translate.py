"""Translation by every family: told its languages, learnt with the same gradient, saved so that transformers says the same."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from translation_family import FAMILIES, PAIRS, make

from weitiao import bundle, models, tasks
from weitiao.core.errors import DataError, RecipeError
from weitiao.example import Example
from weitiao.models.build import build
from weitiao.models.spec import INPUTS
from weitiao.tasks import _directions, translate

LANGUAGES = {"source": "en", "target": "zh"}
EXAMPLES = [Example(f"a.tsv:{i}", {"source": a}, b, f"a.tsv:{i}") for i, (a, b) in enumerate(PAIRS)]


class Case:
    """A family's tiny model that has met the task."""

    def __init__(self, family: str, folder: Path, **options: Any) -> None:
        self.base = models.find(str(make(family, folder)))
        self.tokenizer = models.tokenizer(self.base.folder)
        self.task = translate.Task(translate.Options(**LANGUAGES, **options), LANGUAGES)
        self.task.fit(EXAMPLES)
        self.task.bind(self.base.kind, self.tokenizer)
        self.model = build(self.base, self.task.head(), pooling="auto", dropout=None, seed=1)
        self.rows = self.task.encode(EXAMPLES, self.tokenizer, 60)

    def batch(self, rows: list[int]) -> tasks.Batch:
        return self.task.collate([self.rows[i] for i in rows], self.tokenizer.pad_token_id, "right")


@pytest.fixture(params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(request.param, tmp_path / request.param)


def test_an_answer_is_its_words_and_the_end(case: Case) -> None:
    """No language behind the end, no beginning twice; the code that is forced at the beginning is learnt, too."""
    forced = case.task.direction.generation.get("forced_bos_token_id")
    for row, (_, target) in zip(case.rows, PAIRS, strict=True):
        ids = list(row.target)
        assert ids[-1] == case.task.speaker.stop and ids.count(case.task.speaker.stop) == 1
        assert forced is None or ids[0] == forced
        assert case.tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == target


def test_what_plain_transformers_says_of_the_saved_folder(case: Case, tmp_path: Path) -> None:
    """Greedy decoding, token by token, from files alone: forced tokens and the end are among what was saved."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    bundle.save(tmp_path / "out", case.model, case.tokenizer, "translate", case.task,
                bundle.Settings(60, False, {}), {})
    ours = bundle.load(tmp_path / "out")
    bare = [Example(e.id, e.inputs, None, e.source) for e in EXAMPLES]
    batch = ours.task.collate(ours.task.encode(bare, ours.tokenizer, 60), 0, "right")
    said = ours.model.generate({k: batch[k] for k in ("input_ids", "attention_mask")})  # type: ignore[operator]
    from weitiao.models import _load

    with _load.quiet():
        plain, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out"), AutoTokenizer.from_pretrained(tmp_path / "out")
        sources = [case.task.direction.prefix + a for a, _ in PAIRS]
        asked = tokenizer(sources, padding=True, return_tensors="pt", return_token_type_ids=False)
        theirs = plain.generate(**asked)[:, 1:].tolist()
    assert plain.generation_config.max_new_tokens == case.task.max_new_tokens
    pad = tokenizer.pad_token_id
    for mine, row in zip(said, theirs, strict=True):
        assert row[: len(mine)] == mine and all(x == pad for x in row[len(mine):])
    texts = [o.text for o in ours.outputs(bare)]
    assert texts == [x.strip() for x in tokenizer.batch_decode(theirs, skip_special_tokens=True)]


def test_beams_are_saved_as_well(tmp_path: Path) -> None:
    case = Case("bert2bert", tmp_path / "m", num_beams=3, length_penalty=0.5)
    config = case.model.body.generation_config
    assert (config.num_beams, config.length_penalty, config.do_sample) == (3, 0.5, False)
    batch = case.task.collate(case.task.encode([Example("a", {"source": PAIRS[0][0]}, None, "a")], case.tokenizer, 60), 0, "right")
    inputs = {k: batch[k] for k in ("input_ids", "attention_mask")}
    theirs = case.model.body.generate(**inputs, num_beams=3, length_penalty=0.5, max_new_tokens=case.task.max_new_tokens)
    mine = case.model.generate(inputs)
    assert mine[0] == theirs[0, 1 : 1 + len(mine[0])].tolist()


def gradient(case: Case, model: Any, micro: list[list[int]]) -> dict[str, torch.Tensor]:
    """As the loop does: sums, divided once by the count of the whole update."""
    model.zero_grad()
    batches = [case.batch(rows) for rows in micro]
    count = sum(case.task.count(b) for b in batches)
    for batch in batches:
        logits = model(**{k: batch[k] for k in INPUTS if k in batch})
        (case.task.loss_sum(logits, batch) / count).backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def reference(case: Case) -> dict[str, torch.Tensor]:
    """Row by row in float64, unpadded, by the model's whole forward pass and the formula of label smoothing."""
    body = copy.deepcopy(case.model.body).double()
    total, tokens = torch.zeros((), dtype=torch.float64), 0
    config, smooth = body.generation_config, case.task.options.label_smoothing
    for row in case.rows:
        late = torch.tensor([[config.decoder_start_token_id, *row.target[:-1]]])
        logits = body(input_ids=torch.tensor(row.windows), decoder_input_ids=late, use_cache=False).logits[0]
        logs = F.log_softmax(logits, -1)
        truth = logs[torch.arange(len(row.target)), torch.tensor(row.target)]
        total = total - ((1 - smooth) * truth + smooth * logs.mean(-1)).sum()
        tokens += len(row.target)
    (total / tokens).backward()
    return {f"body.{n}": p.grad for n, p in body.named_parameters() if p.grad is not None}


def test_gradient_is_that_of_the_reference_for_every_split(case: Case) -> None:
    want = reference(case)
    for micro in ([list(range(8))], [[i] for i in range(8)], [[5, 0, 2], [7], [1, 3, 6, 4]]):
        got = gradient(case, case.model, micro)
        assert got.keys() == want.keys()
        own = torch.cat([got[n].double().flatten() for n in sorted(want)])
        other = torch.cat([want[n].flatten() for n in sorted(want)])
        assert float((own - other).norm() / other.norm()) < 1e-5


WANTED = {"t5": ("translate English to Chinese: ", ()), "bart": ("", ()), "marian": ("", ()), "marian-many": (">>zho<< ", ()),
          "m2m100": ("", ("forced_bos_token_id", "__zh__")), "nllb": ("", ("forced_bos_token_id", "zho_Hans")),
          "mbart": ("", ("decoder_start_token_id", "zh_CN")), "mbart50": ("", ("forced_bos_token_id", "zh_CN")),
          "bert2bert": ("", ("decoder_start_token_id", "[CLS]")), "marian-ssru": ("", ())}


def test_each_family_is_told_the_languages_in_its_own_way(case: Case, request: pytest.FixtureRequest) -> None:
    prefix, forced = WANTED[request.node.callspec.params["case"]]
    assert case.task.direction.prefix == prefix
    if forced:
        key, token = forced
        assert case.task.direction.generation[key] == case.tokenizer.convert_tokens_to_ids(token)
        assert getattr(case.model.body.generation_config, key) == case.task.direction.generation[key]


def test_scripts_and_languages_that_a_model_does_not_have(tmp_path: Path) -> None:
    tokenizer = models.tokenizer(make("nllb", tmp_path))
    for wanted, code in (("zh-TW", "zho_Hant"), ("zh", "zho_Hans"), ("de", "deu_Latn"), ("zho_Hant", "zho_Hant"), ("ar", "arb_Arab")):
        _directions.point(tokenizer, "en", wanted)
        assert tokenizer.tgt_lang == code and tokenizer.src_lang == "eng_Latn"
    for source, target, side in (("", "zh", "source"), ("en", "", "target"), ("en", "xx", "target")):
        with pytest.raises(RecipeError) as e:
            _directions.point(tokenizer, source, target)
        assert e.value.code == "recipe.no_language" and side in e.value.where and "--target" in e.value.fix


def test_a_decoder_is_asked_in_words(tiny_folders: dict[str, Path]) -> None:
    task = translate.Task(translate.Options(source="de", target="en"), {"source": "source", "target": "target"})
    task.fit(EXAMPLES := [Example("a", {"source": "ein Hund"}, "a dog", "a"), Example("b", {"source": "gut"}, "good", "b")])
    tokenizer = models.tokenizer(tiny_folders["decoder"])
    task.bind("decoder", tokenizer)
    assert task.chat(EXAMPLES[0]).messages[0].content == "Translate from German into English:\nein Hund"
    assert task.head().generation["num_beams"] == 1


def test_columns_follow_the_languages_that_are_asked_for() -> None:
    columns = {"source": "en", "target": "zh"}
    assert translate.Task(translate.Options(source="zh", target="en"), columns).columns == {"source": "zh", "target": "en"}
    assert translate.Task(translate.Options(source="en", target="de"), columns).columns == {"source": "en", "target": "de"}
    assert translate.Task(translate.Options(source="en", target="zho_Hans"), columns).columns == columns
    assert translate.Task(translate.Options(target="zh"), columns).columns == columns
    named = {"source": "left", "target": "right"}
    assert translate.Task(translate.Options(source="zh", target="en"), named).columns == named


def test_wrong_target_language_stops_before_hours_of_tuning() -> None:
    task = translate.Task(translate.Options(source="zh", target="en"), LANGUAGES)
    with pytest.raises(DataError) as e:
        task.fit(EXAMPLES)
    assert e.value.code == "metric.wrong_tokenizer"
    unknown = translate.Task(translate.Options(), {"source": "source", "target": "target"})
    unknown.fit(EXAMPLES)
    assert unknown.languages == ("", "zh")
