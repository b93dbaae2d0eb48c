"""Reading piece by piece must not end with all pieces in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from weitiao.core import memory, parquet


def test_what_has_been_read_is_not_kept(tmp_path: Path) -> None:
    path, r = tmp_path / "rows.parquet", np.random.default_rng(1)
    lines = pa.schema([("line", pa.string())])
    with pq.ParquetWriter(path, lines) as out:
        for _ in range(100):
            out.write_table(pa.table({"line": [r.bytes(200).hex() for _ in range(1000)]}, lines))
    with parquet.opened(path) as file:
        held = [memory.resident() or 0 for _ in file.iter_batches(1000)]
    assert len(held) == 100 and path.stat().st_size > 20_000_000
    assert held[-1] - held[20] < 8_000_000, "it grows with what was read"
