"""What all tests share: English messages, no network, and a tiny pretrained-looking model made in code."""

from __future__ import annotations

import os
import sys

# Before anything imports huggingface_hub or torch: no test may reach a hub, and two cores are shared.
os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "1"),
                  TOKENIZERS_PARALLELISM="false")

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tiny
from weitiao.core import i18n


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    i18n.use("en")
    yield
    i18n.use("en")


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    """A WordPiece tokenizer of some 300 pieces, Chinese and English."""
    return tiny.tokenizer()


@pytest.fixture(scope="session")
def tiny_config(tiny_tokenizer: Any) -> Any:
    """A BERT of 2 layers, 32 wide, 64 positions."""
    return tiny.config(tiny_tokenizer)


@pytest.fixture(scope="session")
def tiny_folder(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That BERT with random weights as an ordinary `from_pretrained` folder. Read only: the session shares it."""
    return tiny.encoder(tmp_path_factory.mktemp("tiny"), tiny_tokenizer)


@pytest.fixture(scope="session")
def tiny_folders(tiny_folder: Path, tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny base of each kind: that BERT, a Llama and a BART, with random weights and one tokenizer. Read only."""
    return {"encoder": tiny_folder, **tiny.speakers(tmp_path_factory.mktemp("tiny"), tiny_tokenizer)}


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)`: equal to tests/…/golden/<name>? With WEITIAO_GOLDEN=write the file is written instead."""
    def check(name: str, text: str) -> None:
        path = request.path.parent / "golden" / name
        if os.environ.get("WEITIAO_GOLDEN") == "write":
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), (
            f"the public surface changed: if that is meant, run WEITIAO_GOLDEN=write {Path(sys.executable).name} "
            f"-m pytest {request.path.name}, and tell users in CHANGELOG.md")
    return check
