"""The checked rows of a run on disk: `prepare/{train,validation,test}.parquet` and the task that reads them.

>>> write(folder / "train.parquet", examples)
>>> len(load(run, "train"))
300
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from weitiao import tasks
from weitiao.core import files, parquet
from weitiao.core.errors import RunError
from weitiao.core.i18n import t
from weitiao.example import Example
from weitiao.run import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PARTS = ("train", "validation", "test")
_GROUP = 16_384  # rows of a row group: what a writer has to hold
_KNOWN = 4096  # label names
HELD = 20_000
"""Rows of a part that prepare keeps in memory: of more none."""
_READ = 4096  # rows that are objects at a time


class Writer:
    """Adds rows one after the other to one parquet file: id, inputs, target, source, meta (the three structured ones as
    JSON text)."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = pa.schema([(name, pa.string()) for name in ("id", "inputs", "target", "source", "meta")])
        self._writer, self._waiting = pq.ParquetWriter(path, self._schema), list[Example]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """No row comes any more."""
        if self._waiting:
            self._write()
        self._writer.close()

    def add(self, example: Example) -> None:
        """One more row."""
        self._waiting.append(example)
        if len(self._waiting) == _GROUP:
            self._write()

    def _write(self) -> None:
        self._writer.write_table(_table(self._waiting, self._schema))
        self._waiting.clear()


def write(path: Path, examples: Iterable[Example]) -> None:
    """All of these rows, in their order."""
    with Writer(path) as out:
        for example in examples:
            out.add(example)


def _table(examples: Sequence[Example], schema: Any) -> Any:
    import pyarrow as pa

    def column(name: str) -> list[str]:
        return [json.dumps(getattr(e, name), ensure_ascii=False) for e in examples]

    return pa.table({
        "id": [e.id for e in examples], "inputs": column("inputs"), "target": column("target"),
        "source": [e.source for e in examples], "meta": column("meta"),
    }, schema)


def read(path: Path, places: NDArray[np.int64] | None = None) -> Iterator[Example]:
    """The examples of one file, in order; with `places`, which ascend, only the rows there are unpacked. Raises
    RunError `run.unreadable`."""
    import pyarrow as pa

    known: dict[str, Any] = {}
    before = 0
    try:
        with parquet.opened(path) as file:
            for batch in file.iter_batches(_READ):
                for r in (batch if places is None else _at(batch, places, before)).to_pylist():
                    yield _example(r, known)
                before += batch.num_rows
    except (OSError, pa.ArrowInvalid, KeyError, ValueError) as e:
        raise _unreadable(path, e) from e


def _at(batch: Any, places: NDArray[np.int64], before: int) -> Any:
    """The rows of a batch that stand at these places of the file, `before` rows behind its start."""
    low, high = places.searchsorted((before, before + batch.num_rows))
    return batch.take(places[low:high] - before)


def _unreadable(path: Path, e: Exception) -> RunError:
    return RunError("run.unreadable", t("cannot be read: {e}", "无法读取：{e}", e=e), where=str(path),
                    fix=t("run the command again with another --out", "请换一个 --out 重新运行"))


def _example(r: Mapping[str, Any], known: dict[str, Any]) -> Example:
    """A row; `known`: label names that were met, so that a million rows of ten labels hold ten texts."""
    written = r["target"]
    target = known.get(written)
    if target is None:
        target = json.loads(written)
        if isinstance(target, str) and len(known) < _KNOWN:
            known[written] = target
    return Example(r["id"], json.loads(r["inputs"]), target, r["source"], json.loads(r["meta"]))


def count(path: Path) -> int:
    """Rows of one file. Raises RunError `run.unreadable`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid) as e:
        raise _unreadable(path, e) from e


def load(run: Run, part: str) -> list[Example]:
    """One part of a run's data: "train", "validation" or "test"."""
    return list(read(run.folder / "prepare" / f"{part}.parquet"))


class _Streamed(Sequence[Example]):
    """Rows that are read whenever they are asked for: of a million of them none is held.

    A place far behind takes as long as reading up to it.
    """

    @overload
    def __getitem__(self, place: int) -> Example: ...

    @overload
    def __getitem__(self, place: slice) -> list[Example]: ...

    def __getitem__(self, place: int | slice) -> Example | list[Example]:
        if isinstance(place, slice):
            return list(islice(self, *place.indices(len(self))))
        return next(islice(self, range(len(self))[place], None))


class Stored(_Streamed):
    """The rows of one file."""

    def __init__(self, path: Path) -> None:
        self.path, self._count = path, count(path)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Example]:
        return read(self.path)


class _Picked(_Streamed):
    """Some rows of a file."""

    def __init__(self, path: Path, places: NDArray[np.int64]) -> None:
        self._path, self._places = path, places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Example]:
        return read(self._path, self._places)

    def picked(self, places: NDArray[np.int64]) -> _Picked:
        """Some of them."""
        return _Picked(self._path, self._places[places])


def picked(examples: Sequence[Example], places: NDArray[np.int64]) -> Sequence[Example]:
    """The rows at these places, which ascend; of a file they stay there."""
    if isinstance(examples, _Picked):
        return examples.picked(places)
    if isinstance(examples, Stored):
        return _Picked(examples.path, places)
    return [examples[i] for i in places.tolist()]


class Targets(Sequence[Any]):
    """The targets of rows, wherever these are."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[Any]:
        return (e.target for e in self._examples)

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [e.target for e in self._examples[place]]
        return self._examples[place].target


class Holder:
    """Takes rows one after the other: the first few in memory, all of them in a file where there are more.

    >>> holder = Holder(folder / "train.parquet")
    >>> holder.add(example)
    >>> len(holder.close())
    1
    """

    def __init__(self, path: Path) -> None:
        self._path, self._rows = path, list[Example]()
        self._writer: Writer | None = None

    def add(self, example: Example) -> None:
        """One more row."""
        if self._writer is not None:
            self._writer.add(example)
            return
        self._rows.append(example)
        if len(self._rows) > HELD:
            self._writer = Writer(self._path)
            for row in self._rows:
                self._writer.add(row)
            self._rows = []

    def close(self) -> Sequence[Example]:
        """All rows in their order; a file must not go before them."""
        if self._writer is None:
            return self._rows
        self._writer.close()
        return Stored(self._path)


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
