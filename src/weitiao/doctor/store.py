"""The rows that are looked at, on disk: written once as they are read, read again by every section in pieces.

>>> store = Store(folder)
>>> store.add("train", example)
>>> store.close()
>>> [len(chunk) for chunk in store.rows("train")]
[1]

Each part is one parquet file; memory holds one piece, whatever the number of rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weitiao.core import parquet
from weitiao.example import Example
from weitiao.prepare import comparing
from weitiao.splits import PARTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PIECE = 4096  # rows


class Store:
    """Examples by part in a folder of its owner's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts = dict.fromkeys(PARTS, 0)
        self._waiting: dict[str, list[Example]] = {part: [] for part in PARTS}
        self._writers: dict[str, Any] = {}

    @classmethod
    def of(cls, folder: Path, parts: Mapping[str, Iterable[Example]]) -> Store:
        """A store of rows that are at hand already."""
        store = cls(folder)
        for part, examples in parts.items():
            for example in examples:
                store.add(part, example)
        store.close()
        return store

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in PARTS if self._counts[part])

    def count(self, part: str) -> int:
        return self._counts[part]

    def add(self, part: str, example: Example) -> None:
        self._counts[part] += 1
        waiting = self._waiting[part]
        waiting.append(example)
        if len(waiting) == _PIECE:
            self._write(part)

    def close(self) -> None:
        """All rows are there: they can be read from now on."""
        for part in self.parts:
            if self._waiting[part]:
                self._write(part)
            self._writers[part].close()

    def rows(self, part: str) -> Iterator[list[Example]]:
        """Pieces of a part in the order in which the rows came."""
        if not self._counts[part]:
            return
        with parquet.opened(self._path(part)) as file:
            for batch in file.iter_batches(batch_size=_PIECE, columns=["example"]):
                yield [Example(*json.loads(line)) for line in batch.column(0).to_pylist()]

    def some(self, part: str, places: NDArray[np.int64]) -> Iterator[Example]:
        """The rows of a part at these places, which ascend; only they are unpacked."""
        import numpy as np

        if not len(places):
            return
        before = 0
        with parquet.opened(self._path(part)) as file:
            for batch in file.iter_batches(batch_size=_PIECE, columns=["example"]):
                low, high = np.searchsorted(places, (before, before + batch.num_rows))
                for line in batch.column(0).take(places[low:high] - before).to_pylist() if high > low else ():
                    yield Example(*json.loads(line))
                before += batch.num_rows

    def keys(self, part: str) -> NDArray[np.uint64]:
        """(rows,): the first 64 bits of each row's `comparing.key`. Among ten million different rows two are alike by
        chance with a probability of 3 in a million."""
        import numpy as np
        import pyarrow.parquet as pq

        if not self._counts[part]:
            return np.zeros(0, np.uint64)
        column = pq.read_table(self._path(part), columns=["key"]).column(0)
        return np.asarray(column.to_numpy(), np.uint64)

    def _path(self, part: str) -> Path:
        return self._folder / f"{part}.parquet"

    def _write(self, part: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # One text a row: to make a row of one JSON list takes half the time of one a field.
        lines = [json.dumps([e.id, e.inputs, e.target, e.source, e.meta], ensure_ascii=False)
                 for e in self._waiting[part]]
        keys = [int.from_bytes(comparing.key(e)[:8], "little") for e in self._waiting[part]]
        self._waiting[part] = []
        table = pa.table({"example": lines, "key": pa.array(keys, pa.uint64())})
        if part not in self._writers:
            self._writers[part] = pq.ParquetWriter(self._path(part), table.schema, compression="zstd")
        self._writers[part].write_table(table)
