from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuning_case import Case


@pytest.fixture
def case(tiny_folder: Path, tiny_tokenizer: Any) -> Callable[..., Case]:
    return lambda kind="single", rows=60: Case(tiny_folder, tiny_tokenizer, kind, rows)
