"""The checked rows of a run on disk: `prepare/{train,validation,test}.parquet` and the task that reads them.

>>> write(folder / "train.parquet", examples)
>>> len(load(run, "train"))
300
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from weitiao import tasks
from weitiao.core import files
from weitiao.core.errors import RunError
from weitiao.core.i18n import t
from weitiao.example import Example
from weitiao.run import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PARTS = ("train", "validation", "test")
_GROUP = 65_536  # rows of a row group: what a reader has to hold
_READ = 4096  # rows that are objects at a time


def write(path: Path, examples: Sequence[Example]) -> None:
    """One parquet file: id, inputs, target, source, meta (the three structured ones as JSON text)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in ("id", "inputs", "target", "source", "meta")])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(examples), _GROUP):
            writer.write_table(_table(examples[start : start + _GROUP], schema))


def _table(examples: Sequence[Example], schema: Any) -> Any:
    import pyarrow as pa

    def column(name: str) -> list[str]:
        return [json.dumps(getattr(e, name), ensure_ascii=False) for e in examples]

    return pa.table({
        "id": [e.id for e in examples], "inputs": column("inputs"), "target": column("target"),
        "source": [e.source for e in examples], "meta": column("meta"),
    }, schema)


def read(path: Path) -> Iterator[Example]:
    """The examples of one file, in order. Raises RunError `run.unreadable`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(path).iter_batches(_READ):
            for r in batch.to_pylist():
                yield _example(r)
    except (OSError, pa.ArrowInvalid, KeyError, ValueError) as e:
        raise _unreadable(path, e) from e


def _unreadable(path: Path, e: Exception) -> RunError:
    return RunError("run.unreadable", t("cannot be read: {e}", "无法读取：{e}", e=e), where=str(path),
                    fix=t("run the command again with another --out", "请换一个 --out 重新运行"))


def _example(r: Mapping[str, Any]) -> Example:
    return Example(r["id"], json.loads(r["inputs"]), json.loads(r["target"]), r["source"], json.loads(r["meta"]))


def count(path: Path) -> int:
    """Rows of one file. Raises RunError `run.unreadable`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid) as e:
        raise _unreadable(path, e) from e


def some(path: Path, places: NDArray[np.int64]) -> Iterator[Example]:
    """The rows at these places, which ascend; only they are unpacked."""
    import pyarrow.parquet as pq

    for r in pq.read_table(path).take(places).to_pylist():
        yield _example(r)


def load(run: Run, part: str) -> list[Example]:
    """One part of a run's data: "train", "validation" or "test"."""
    return list(read(run.folder / "prepare" / f"{part}.parquet"))


class Stored(Sequence[Example]):
    """The rows of one file, read whenever they are asked for: of a million of them none is held.

    A place far behind takes as long as reading up to it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._count = path, count(path)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Example]:
        return read(self.path)

    @overload
    def __getitem__(self, place: int) -> Example: ...

    @overload
    def __getitem__(self, place: slice) -> list[Example]: ...

    def __getitem__(self, place: int | slice) -> Example | list[Example]:
        if isinstance(place, slice):
            return list(islice(self, *place.indices(self._count)))
        return next(islice(self, range(self._count)[place], None))


class Column(Sequence[Any]):
    """One value of some rows of a file, read whenever it is asked for.

    Args:
        path: as `write` wrote it.
        name: "source", or "target".
        places: which row each is of, in any order.
    """

    def __init__(self, path: Path, name: str, places: NDArray[np.int64]) -> None:
        self.path, self.name, self.places = path, name, places

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._read(self.places))

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...

    def __getitem__(self, place: int | slice) -> Any:
        return self._read(self.places[place]) if isinstance(place, slice) else self._read(self.places[[place]])[0]

    def _read(self, places: NDArray[np.int64]) -> list[Any]:
        import pyarrow.parquet as pq

        found = pq.read_table(self.path, columns=[self.name]).column(0).take(places).to_pylist()
        return found if self.name == "source" else [json.loads(x) for x in found]


def stored(run: Run, part: str) -> Stored:
    """What `load` gives, left on the disk."""
    return Stored(run.folder / "prepare" / f"{part}.parquet")


def write_task(path: Path, name: str, task: tasks.Task) -> None:
    """The task with its options, columns and what it learnt from the training rows."""
    files.write_json(path, {"name": name, "options": task.options.model_dump(mode="json"),
                            "columns": dict(task.columns), "state": task.state()})


def read_task(path: Path) -> tuple[str, tasks.Task]:
    """What `write_task` wrote."""
    got = files.read_json(path)
    task = tasks.make(got["name"], got["options"], got["columns"])
    task.restore(got["state"])
    return got["name"], task


def load_task(run: Run) -> tuple[str, tasks.Task]:
    """The task of a run: its name and the task itself."""
    return read_task(run.folder / "prepare" / "task.json")
