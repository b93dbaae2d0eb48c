"""What a checkpoint's folder says about it: its config and the headers of its safetensors. Loads no weights.

>>> shapes(folder)["embeddings.word_embeddings.weight"]
(250037, 384)
"""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path
from typing import Any, Literal

from weitiao.core.errors import ModelError
from weitiao.core.i18n import t
from weitiao.starters import POOLING_FILE

Shapes = dict[str, tuple[int, ...]]
Kind = Literal["encoder", "decoder", "encoder-decoder"]

OWN: dict[str, Kind] = {"marian-ssru": "encoder-decoder"}
"""Families of ours that transformers lacks (ssru.py), and their kind."""
_HEADER_LIMIT = 100_000_000  # bytes; safetensors' own limit
_NO_LIMIT = 512  # tokens, where a config states no longest input
_POSITION_OFFSET = frozenset({  # families whose position table begins after the padding index
    "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "longformer", "data2vec-text",
    "ibert", "mpnet", "xmod", "luke", "markuplm", "lilt",
})


def config(folder: Path) -> dict[str, Any]:
    """config.json. Raises ModelError `model.no_config`, or `model.needs_code` when it asks for code of its own."""
    path = folder / "config.json"
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        family = value["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise ModelError("model.no_config", t("no usable config.json: {e}", "没有可用的 config.json：{e}", e=e),
                         where=str(path), expected=t("a transformers checkpoint with a model_type",
                                                     "带 model_type 的 transformers 模型目录")) from e
    if "auto_map" in value and family not in OWN:
        raise ModelError(
            "model.needs_code",
            t("this checkpoint ({f}) runs code of its own ({c})", "该模型（{f}）需要运行自带代码（{c}）", f=family,
              c=", ".join(map(str, value["auto_map"]))),
            where=str(path), expected=t("an architecture of transformers itself", "transformers 自带的结构"),
            fix=t("choose another model: code from a checkpoint is never run", "请换一个模型：不会运行模型自带的代码"))
    return value


def kind(config: dict[str, Any]) -> Kind:
    """By the heads that transformers has for the family. Raises ModelError `model.unsupported` for unknown ones."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        MODEL_MAPPING_NAMES,
    )

    family = config["model_type"]
    if family == "encoder-decoder":  # two models of other families in one: in none of those tables
        return "encoder-decoder"
    if family in OWN:
        return OWN[family]
    if family not in MODEL_MAPPING_NAMES:
        raise ModelError("model.unsupported", t("transformers has no model type {f!r}",
                                                "transformers 没有 {f!r} 这种模型", f=family),
                         fix=t("update transformers or choose another model", "请更新 transformers 或换一个模型"))
    if config.get("is_encoder_decoder"):
        return "encoder-decoder"
    causal_only = family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and family not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return "decoder" if causal_only else "encoder"


def max_positions(config: dict[str, Any]) -> int:
    """Longest input in tokens."""
    if config["model_type"] == "encoder-decoder":
        return min(max_positions(config["encoder"]), max_positions(config["decoder"]))
    text = {**config, **(config.get("text_config") or {})}
    stated = next((text[k] for k in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len")
                   if isinstance(text.get(k), int) and text[k] > 0), _NO_LIMIT)
    if config["model_type"] in _POSITION_OFFSET:
        stated -= int(text.get("pad_token_id", 1)) + 1
    return stated


def mean_pooled(folder: Path) -> bool:
    """Does the folder's sentence-transformers mark say mean pooling?"""
    path = folder / POOLING_FILE
    if not path.is_file():
        return False
    try:
        mark = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return mark.get("pooling_mode_mean_tokens") is True or mark.get("pooling_mode") == "mean"


def shapes(folder: Path) -> Shapes:
    """Floating-point tensors of all safetensors files by name.

    Raises ModelError: `model.pickle_only` when there are none, `model.damaged` when a header cannot be read.
    """
    paths = sorted(folder.glob("model*.safetensors"))
    if not paths:
        raise _no_weights(folder)
    found: Shapes = {}
    for path in paths:
        for name, entry in _header(path).items():
            if name != "__metadata__" and entry["dtype"].startswith(("F", "BF")):
                found[name] = tuple(entry["shape"])
    return found


def _header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
            if length > _HEADER_LIMIT:
                raise ValueError(t("a header of {n} bytes", "文件头有 {n} 字节", n=length))
            header: dict[str, Any] = json.loads(f.read(length))
            end = 8 + length + max((e["data_offsets"][1] for k, e in header.items() if k != "__metadata__"), default=0)
        if path.stat().st_size != end:
            raise ValueError(t("{g} bytes instead of {n}", "{g} 字节，应为 {n}", g=path.stat().st_size, n=end))
        return header
    except (OSError, ValueError, KeyError, TypeError, struct.error) as e:
        raise ModelError("model.damaged",
                         t("not a whole safetensors file: {e}", "不是完整的 safetensors 文件：{e}", e=e),
                         where=str(path), fix=t("fetch or copy it again", "请重新下载或复制")) from e


def _no_weights(folder: Path) -> ModelError:
    pickles = [p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt")]
    return ModelError(
        "model.pickle_only",
        t("its weights are pickles ({p}), which run code when they are read", "权重是 pickle（{p}），读取即会执行代码",
          p=", ".join(pickles)) if pickles else t("there are no safetensors weights", "没有 safetensors 权重"),
        where=str(folder), expected="model.safetensors",
        fix=t("where you trust it, convert it once: AutoModel.from_pretrained(...).save_pretrained(folder) in plain "
              "transformers, then --model folder; or look on the hub for a revision with safetensors",
              "若信任其来源，用 transformers 转换一次：AutoModel.from_pretrained(...).save_pretrained(目录)，"
              "再用 --model 目录；或在仓库中找带 safetensors 的版本"))


def word_embeddings(config: dict[str, Any], shapes: Shapes) -> str:
    """Name of the word embeddings' tensor, or "" when none is recognised."""
    words = _words(config)
    return next((n for n, s in shapes.items() if _is_words(n, s, words)), "")


def _words(config: dict[str, Any]) -> Any:
    """Size of the vocabulary, of two sides that of the encoder."""
    inside = "encoder" if config["model_type"] == "encoder-decoder" else "text_config"
    return {**config, **(config.get(inside) or {})}.get("vocab_size")


def _is_words(name: str, shape: tuple[int, ...], words: Any) -> bool:
    return (len(shape) == 2 and shape[0] == words and "position" not in name and "type" not in name
            and any(mark in name for mark in ("embed", "wte", "shared", "word")))


def count(config: dict[str, Any], shapes: Shapes, words: str) -> int:
    """Parameters of the body: output layers over the vocabulary are left out."""
    over = _words(config)
    outputs = [n for n, s in shapes.items() if n != words and s and s[0] == over and "embed" not in n]
    return sum(size(s) for n, s in shapes.items() if n not in outputs)


def size(shape: tuple[int, ...]) -> int:
    """Numbers in a tensor."""
    return prod(shape)
