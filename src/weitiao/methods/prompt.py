"""prompt: virtual tokens before every input move, and the head; the base stays as it is (Lester et al. 2021, "The Power
of Scale for Parameter-Efficient Prompt Tuning", arXiv:2104.08691).

>>> virtual_tokens(Options(length=20))     # the model that `attach` is given has 20 rows of the word embeddings more
20
>>> model = attach(model, Options(length=20))

The tokenizer writes these tokens before every text, so the saved model is plain: nothing is folded in, and nothing of
ours is needed to use it. The adapter is peft's `PROMPT_TUNING`, for the base with its own tokenizer. A prompt says less
to a small model than lora does: that it draws level with full tuning is shown for billions of parameters (figure 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from weitiao.core.errors import MissingExtra, ModelError
from weitiao.core.i18n import t
from weitiao.methods import Adapter

if TYPE_CHECKING:
    from weitiao.models.build import Model

LEARNING_RATE = 1e-2
OPERATIONS = 4.0
MOVED = 0.001


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    length: Annotated[int, Field(ge=1)] = 20
    """How many virtual tokens; each one takes the place of one token of the text (model.max_length)."""


def virtual_tokens(options: Options) -> int:
    """The prompt's length."""
    return options.length


def attach(model: Model, options: Options) -> Model:
    """Freeze all but the head; the prompt's rows learn by themselves (models/grown.py).

    Raises ModelError `model.no_prompt` for a model that fills masks: it is to learn a language, not a task.
    """
    if "MaskedLM" in type(model.body).__name__:
        raise ModelError("model.no_prompt", t("a prompt cannot teach a model that fills masks more of a language",
                                              "提示微调不能让填空模型学到更多语言知识"), where="method.name",
                         expected="full, lora, ia3, bitfit, freeze", fix=t("use method.name=full or lora",
                                                                           "请用 method.name=full 或 lora"))
    model.requires_grad_(False)
    for parameter in model.head_parameters():
        parameter.requires_grad_(True)
    return model


def adapter(model: Model) -> Adapter:
    """The prompt, as what the embeddings say of its tokens. Raises MissingExtra without peft."""
    import torch

    try:
        from peft import PromptTuningConfig
    except ImportError as e:
        raise MissingExtra("peft", "lora", t("prompt tuning's adapter", "提示微调的适配器")) from e
    assert model.first_virtual is not None
    others = model.first_virtual - model.new_rows.start
    ids = torch.arange(model.first_virtual, model.new_rows.stop, device=model.device)
    with torch.no_grad():
        rows = model.word_embeddings()(ids).cpu().clone()
    # Heads and layers are asked of prefixes alone; none stated, peft would look for them in the config.
    config = PromptTuningConfig(task_type=_task_type(model), num_virtual_tokens=len(ids), token_dim=rows.shape[1],
                                num_transformer_submodules=1, num_attention_heads=1, num_layers=1)
    return Adapter(config, {"prompt_embeddings": rows}, inside="base_model.",
                   unfit=t("peft's prompts know no new tokens", "peft 的提示微调不支持新增词元") if others else "")


def _task_type(model: Model) -> str:
    """Peft's word for what the model does."""
    from weitiao.models.language import LanguageModel
    from weitiao.models.tokens import TokenModel

    if isinstance(model, LanguageModel):
        return "SEQ_2_SEQ_LM" if model.body.config.is_encoder_decoder else "CAUSAL_LM"
    if isinstance(model, TokenModel):
        return "QUESTION_ANS" if model.head.kind == "span" else "TOKEN_CLS"
    return "SEQ_CLS"


def merge(model: Model) -> Model:
    """It is plain already."""
    return model
