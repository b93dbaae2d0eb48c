"""Methods: which parameters move. One file each; its name is the method's name.

A method module has `Options` (pydantic) and

- `attach(model, options) -> model`: freeze, add adapters; returns the module to train (its forward is unchanged);
  `requires_grad` marks what moves. Raises ModelError when nothing would move.
- `adapter(model) -> Adapter | None`: what was learnt in a form that others load onto the same base; None where a method
  moves weights of the model itself. Called before `merge`.
- `merge(model) -> model`: back to a plain module of the base's architecture for saving (adapters folded in).
- `LEARNING_RATE: float`: the peak rate that suits it by default with AdamW on a small encoder (see select/).
- `OPERATIONS: float`: operations of a step per parameter of the body and token (6 where everything moves), and
  `MOVED: float`: the share of the body that moves, for the forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weitiao.core import files, plugins

_HOW = """# An adapter, in peft's own form

Load it onto the base that it was tuned from, with the tuned model's config (labels, head) beside it:

```python
from peft import PeftModel
from transformers import AutoConfig, {auto}

base = {auto}.from_pretrained({base!r}, config=AutoConfig.from_pretrained("../model"{leave}){leave})
model = PeftModel.from_pretrained(base, ".")
```

`../model` holds the same model with the adapter folded in.
"""


@dataclass(frozen=True, slots=True)
class Adapter:
    """What a method has learnt beside the base.

    Args:
        config: peft's, with full names of the layers.
        tensors: by peft's names.
    """

    config: Any
    tensors: dict[str, Any]

    def write(self, folder: Path, *, base: str, head: list[str], saved: Path) -> None:
        """adapter_config.json, adapter_model.safetensors and README.md; whole or not at all.

        Args:
            base: the base's name or folder.
            head: names of the modules that the base does not have, in the saved model.
            saved: the folder of the merged model, whose numbers those modules take.
        """
        from safetensors import safe_open
        from safetensors.torch import save_file

        tensors = dict(self.tensors)
        for path in sorted(saved.glob("model*.safetensors")):
            with safe_open(path, "pt") as weights:
                tensors |= {f"base_model.model.{n}": weights.get_tensor(n) for n in weights.keys()  # noqa: SIM118
                            if any(n.startswith(f"{module}.") for module in head)}
        self.config.modules_to_save = head or None
        self.config.base_model_name_or_path, self.config.inference_mode = base, True
        config = files.read_json(saved / "config.json")
        auto, leave = config["architectures"][0], ""
        if "auto_map" in config:  # a family whose code lies beside the weights
            auto, leave = next(k for k in config["auto_map"] if k != "AutoConfig"), ", trust_remote_code=True"
        with files.new_folder(folder) as tmp:
            self.config.save_pretrained(str(tmp))
            save_file({k: v.contiguous() for k, v in tensors.items()}, tmp / "adapter_model.safetensors",
                      {"format": "pt"})
            (tmp / "README.md").write_text(_HOW.format(auto=auto, base=base, leave=leave), encoding="utf-8")


def names() -> tuple[str, ...]:
    """All methods, sorted."""
    return plugins.names(__name__)


def load(name: str) -> Any:
    """The module of that method. Raises RecipeError `plugin.unknown`."""
    return plugins.load(__name__, name)
