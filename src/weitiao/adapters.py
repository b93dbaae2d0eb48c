"""Several adapters on one base, whose weights are in memory once.

>>> news, mood = load_adapters(["runs/news", "runs/mood"])     # tuned by lora, ia3 or prompt from one base
>>> news.predict(["Rain is expected in Lyon."]), mood.predict(["What a day!"])

Each is an ordinary Bundle with its own task, labels, tokenizer and head: nothing has to be switched on or off, and
threads may ask them side by side. They share the base's tensors; beside them stand each one's own adapter and head, as
peft puts them together (nothing is folded in, so an answer takes somewhat longer than the merged model's).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weitiao import bundle, methods, models
from weitiao.bundle import Bundle
from weitiao.core import files
from weitiao.core.errors import MissingExtra, RunError
from weitiao.core.i18n import t

if TYPE_CHECKING:
    from torch import nn

    from weitiao.models.build import Model
    from weitiao.models.spec import HeadSpec


def load_adapters(runs: Sequence[str | Path], *, base: str | Path | None = None, device: str = "cpu") -> list[Bundle]:
    """The bundles of these runs, in their order, on one base.

    Args:
        runs: folders of runs, each with `model/` (of which config, tokenizer and task are read) and `adapter/`.
        base: the base's folder or name; None: where it was when the first of them was tuned.
        device: cpu, cuda, …

    Raises RunError: `adapter.missing`, `adapter.alone` for one that brings new tokens or stands on a rounded base,
    `adapter.other_base` where they were not all tuned from the same weights or the base has changed, `bundle.damaged`;
    MissingExtra without peft; ModelError where the base cannot be had.
    """
    described = [(Path(run), _facts(Path(run))) for run in runs]
    if not described:
        return []
    folder = _base(base, *described[0])
    here = files.hashes(folder, "*.safetensors")
    for run, facts in described:
        _check(run, facts, here, folder)
    shared: dict[str, nn.Parameter] = {}
    made = [_load(run, folder, shared) for run, _ in described]
    for one in made:  # not before all are there: a tensor that has moved is moved once
        one.model.to(device)
    return made


def _facts(run: Path) -> dict[str, Any]:
    path = run / "adapter" / "weitiao.json"
    if not path.is_file():
        raise RunError("adapter.missing", t("this run has no adapter", "该运行没有适配器"), where=str(run),
                       expected="adapter/adapter_config.json, adapter/weitiao.json",
                       fix=t("tune with --method lora or --method ia3; a merged model is loaded by weitiao.load",
                             "请用 --method lora 或 --method ia3 微调；合并后的模型用 weitiao.load 载入"))
    facts: dict[str, Any] = files.read_json(path)
    return facts


def _base(base: str | Path | None, run: Path, facts: Mapping[str, Any]) -> Path:
    """Where the base lies: as named, where it was, or found again by its name."""
    was = Path(files.read_json(run / "adapter" / "adapter_config.json")["base_model_name_or_path"])
    if base is None and was.is_dir():
        return was
    return models.find(str(base or facts["base"]["name"])).folder


def _check(run: Path, facts: Mapping[str, Any], here: Mapping[str, str], folder: Path) -> None:
    if facts["method"] == "qlora" or (facts["own_words"] and facts["method"] != "prompt"):
        why = t("it stands on a rounded one", "它基于量化后的权重") if facts["method"] == "qlora" else t(
            "it brings {n} words of its own", "它自带 {n} 个词元", n=facts["own_words"])
        raise RunError("adapter.alone", t("its adapter cannot share a base: {w}", "其适配器不能与他者共用基座：{w}",
                                          w=why), where=str(run),
                       fix=t("load this one by weitiao.load", "请用 weitiao.load 单独载入"))
    if facts["base"]["weights"] != here:
        raise RunError("adapter.other_base", t("it was not tuned from the weights in {f}",
                                               "它不是由 {f} 中的权重微调而来", f=folder), where=str(run),
                       expected=facts["base"]["name"],
                       fix=t("load together only what was tuned from the same base, or name its folder with base=…",
                             "只能一起载入由同一基座微调的模型，或用 base=… 指明其目录"))
    bundle.check_file(run / "adapter" / methods.WEIGHTS, facts["weights"][methods.WEIGHTS])


def _load(run: Path, base: Path, shared: dict[str, nn.Parameter]) -> Bundle:
    folder, facts = bundle.read_facts(run)

    def make(head: HeadSpec) -> Any:
        from weitiao.models.build import wrap

        model = wrap(_body(folder, run / "adapter", base, shared), head).eval()
        if model.first_virtual is not None:
            _take_prompt(model, folder, facts["weights"])
        return model

    return bundle.assemble(folder, facts, make)


def _take_prompt(model: Model, folder: Path, weights: Mapping[str, str]) -> None:
    """The rows of a learnt prompt, which are all that is read of the tuned model's own weights."""
    from safetensors import safe_open

    from weitiao.models import _folder, grown

    name = _folder.word_embeddings(_folder.config(folder), _folder.shapes(folder))
    first = model.first_virtual
    assert first is not None
    for file, digest in weights.items():
        bundle.check_file(folder / file, digest)
        with safe_open(folder / file, "pt") as tensors:
            if name in tensors.keys():  # noqa: SIM118
                grown.read_with(model, tensors.get_slice(name)[first:].float(), first)


def _body(folder: Path, adapter: Path, base: Path, shared: dict[str, nn.Parameter]) -> Any:
    """The base with the tuned model's config and head and the adapter, on the shared tensors."""
    import transformers
    from transformers import AutoConfig, GenerationConfig

    from weitiao.models import _load as loading

    try:
        from peft import PeftModel
    except ImportError as e:
        raise MissingExtra("peft", "lora", t("adapters", "适配器")) from e
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    theirs = AutoConfig.from_pretrained(base, trust_remote_code=False).get_text_config().vocab_size
    config.get_text_config().vocab_size = theirs  # that of the base: a prompt is read beside it
    body, _, _ = loading.load(getattr(transformers, config.architectures[0]), base, config)
    _share(body.base_model, shared)
    body.tie_weights()
    if body.can_generate():
        body.generation_config = GenerationConfig.from_pretrained(folder)
    with loading.quiet():
        return PeftModel.from_pretrained(body, str(adapter)).get_base_model()


def _share(inner: nn.Module, shared: dict[str, nn.Parameter]) -> None:
    """Put what is in memory already in place of equal tensors of the same names; remember the others for the next."""
    import torch

    for name, parameter in list(inner.named_parameters()):
        known = shared.setdefault(name, parameter)
        if known is not parameter and torch.equal(known, parameter):  # what a head's own layers hold may differ
            parent, _, leaf = name.rpartition(".")
            inner.get_submodule(parent)._parameters[leaf] = known
