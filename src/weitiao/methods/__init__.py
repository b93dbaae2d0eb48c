"""Methods: which parameters move. One file each; its name is the method's name.

A method module has `Options` (pydantic) and

- `attach(model, options) -> model`: freeze, add adapters; returns the module to train (its forward is unchanged);
  `requires_grad` marks what moves. Raises ModelError when nothing would move.
- `virtual_tokens(options) -> int`: how many learnt tokens stand before every input; the model that `attach` is given
  has rows of the word embeddings for them, and its tokenizer writes them (models/grown.py).
- `adapter(model) -> Adapter | None`: what was learnt in a form that others load onto the same base; None where a method
  moves weights of the model itself. Called before `merge`.
- `merge(model) -> model`: back to a plain module of the base's architecture for saving (adapters folded in).
- `LEARNING_RATE: float`: the peak rate that suits it by default with AdamW on a small encoder (see select/).
- `OPERATIONS: float`: operations of a step per parameter of the body and token (6 where everything moves), and
  `MOVED: float`: the share of the body that moves, for the forecast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weitiao.core import files, plugins
from weitiao.models import _folder

WEIGHTS = "adapter_model.safetensors"
_HOW = """# An adapter, in peft's own form

Load it onto the base that it was tuned from, with the tuned model's config (labels, head) beside it:

```python
from peft import PeftModel
from transformers import {names}

base = {auto}.from_pretrained({base!r}, config=AutoConfig.from_pretrained("../model"{words}{leave}){leave})
{more}model = PeftModel.from_pretrained(base, ".")
tokenizer = AutoTokenizer.from_pretrained({tokenizer!r})
```

`../model` holds the same model {folded}.
{care}"""
_ONE_BY_ONE = """
Give it one row at a time: behind peft's prompt a decoder with labels does not see where a padded row ends. `../model`
does.
"""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What a method has learnt beside the base.

    Args:
        config: peft's, with full names of the layers.
        tensors: by peft's names.
        inside: what stands before the names of the model's own modules in them.
        unfit: why peft could not load it, in words; it is not written then.
    """

    config: Any
    tensors: dict[str, Any]
    inside: str = "base_model.model."
    unfit: str = ""

    def write(self, folder: Path, *, base: str, head: list[str], saved: Path, facts: Mapping[str, Any],
              base_rows: int = 0) -> None:
        """adapter_config.json, adapter_model.safetensors, README.md and weitiao.json; whole or not at all.

        Args:
            base: the base's name or folder.
            head: names of the modules that the base does not have, in the saved model.
            saved: the folder of the merged model, whose numbers those modules take.
            facts: what weitiao.json says beside the hash of the weights.
            base_rows: rows of the base's word embeddings, where the saved model has more.
        """
        from safetensors import safe_open
        from safetensors.torch import save_file

        tensors = dict(self.tensors)
        for path in sorted(saved.glob("model*.safetensors")):
            with safe_open(path, "pt") as weights:
                tensors |= {f"{self.inside}{n}": weights.get_tensor(n) for n in weights.keys()  # noqa: SIM118
                            if any(n.startswith(f"{module}.") for module in head)}
        self.config.modules_to_save = head or None
        self.config.base_model_name_or_path, self.config.inference_mode = base, True
        how = self._how(saved, base, base_rows)
        with files.new_folder(folder) as tmp:
            self.config.save_pretrained(str(tmp))
            save_file({k: v.contiguous() for k, v in tensors.items()}, tmp / WEIGHTS, {"format": "pt"})
            files.write_json(tmp / "weitiao.json", {
                **facts, "weights": {WEIGHTS: files.sha256(tmp / WEIGHTS)}})
            (tmp / "README.md").write_text(how, encoding="utf-8")

    def _how(self, saved: Path, base: str, base_rows: int) -> str:
        """The page that says how to load it."""
        config = files.read_json(saved / "config.json")
        auto, prompt, leave = config["architectures"][0], self.inside == "base_model.", ""
        if "auto_map" in config:  # a family whose code lies beside the weights
            auto, leave = next(k for k in config["auto_map"] if k != "AutoConfig"), ", trust_remote_code=True"
        more = f"base.resize_token_embeddings({config['vocab_size']})\n" if base_rows and not prompt else ""
        speaks = (saved / "generation_config.json").is_file()
        if speaks:
            more += 'base.generation_config = GenerationConfig.from_pretrained("../model")\n'
        blind = prompt and self.config.task_type == "SEQ_CLS" and _folder.kind(config) == "decoder"
        classes = ["AutoConfig", "AutoTokenizer", *(["GenerationConfig"] if speaks else []), auto]
        return _HOW.format(auto=auto, base=base, leave=leave, names=", ".join(classes), more=more,
                           care=_ONE_BY_ONE if blind else "", tokenizer=base if prompt else "../model",
                           words=f", vocab_size={base_rows}" if base_rows else "",
                           folded="whose tokenizer writes the prompt: it needs no peft" if prompt else
                           "with the adapter folded in")


def names() -> tuple[str, ...]:
    """All methods, sorted."""
    return plugins.names(__name__)


def load(name: str) -> Any:
    """The module of that method. Raises RecipeError `plugin.unknown`."""
    return plugins.load(__name__, name)
