"""Loading by transformers: fp32, quiet, no code of the checkpoint, and every new weight drawn by our own generator.

>>> model, missing, other_shape = load(AutoModelForSequenceClassification, folder, config)
>>> draw(model, missing, std=0.02, seed=1)   # equal numbers on every machine, whatever torch's instruction set
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weitiao.core import seeds
from weitiao.core.errors import ModelError
from weitiao.core.i18n import t
from weitiao.models import _folder

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and reports of transformers on the user's screen; its settings are put back afterwards."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def config(folder: Path) -> Any:
    """The folder's configuration as transformers' object. A family of our own is read by our own class: the code that
    lies beside such weights for others is never run."""
    from transformers import AutoConfig

    if _folder.config(folder)["model_type"] in _folder.OWN:
        from weitiao.models import ssru

        ssru.register()
    return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def load(cls: Any, folder: Path, config: Any, **options: Any) -> tuple[Any, set[str], set[str]]:
    """`cls.from_pretrained` in eval mode, the names of parameters that the checkpoint does not hold, and of those that
    it holds in another shape. Raises ModelError `model.unreadable`."""
    import torch
    from safetensors import SafetensorError

    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            model, info = cls.from_pretrained(
                folder, config=config, dtype=torch.float32, trust_remote_code=False, use_safetensors=True,
                ignore_mismatched_sizes=True, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as e:
        raise ModelError("model.unreadable", t("transformers cannot load it: {e}", "transformers 无法载入：{e}",
                                               e=str(e).splitlines()[0]), where=str(folder),
                         fix=t("fetch it again or choose another model", "请重新获取或换一个模型")) from e
    return model.eval(), set(info["missing_keys"]), {key for key, *_ in info["mismatched_keys"]}


def draw(model: nn.Module, names: Iterable[str], std: float, seed: int) -> None:
    """Small normal weights and zero biases for new linear layers; norms keep the ones and zeros they were born with.

    The numbers (standard deviation `std`) depend on the seed, the parameter's name and shape only.
    """
    import torch

    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in sorted(set(names) & set(parameters)):
            parameter = parameters[name]
            if parameter.ndim > 1:
                values = seeds.rng(seed, "head", name).normal(0.0, std, tuple(parameter.shape))
                parameter.copy_(torch.from_numpy(values))
            elif name.endswith("bias"):
                parameter.zero_()
