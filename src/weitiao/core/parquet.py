"""Parquet files that are read piece by piece, with memory that does not grow with the rows.

>>> with opened(path) as file:
...     for batch in file.iter_batches(4096):
...         print(batch.num_rows)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def opened(path: Path) -> Any:
    """A `pyarrow.parquet.ParquetFile`; a context. Raises what that does (`OSError`, `pyarrow.ArrowInvalid`).

    By default pyarrow (26.0) fetches ahead and keeps what it has fetched until the file is closed: 56 bytes a row of
    short texts, half a gigabyte of ten million.
    """
    import pyarrow.parquet as pq

    return pq.ParquetFile(path, pre_buffer=False)
