"""Rows as token ids on the disk: what a million rows need in memory is a few bytes each; and a second run finds them.

>>> rows = kept(splits.stored(run, "train"), identity(who, task, tokenizer, settings), encode, odd)
>>> len(rows), rows[7].windows
(800000, ((101, 3835, 102),))

    <cache>/tokens/<key>/   ids.bin int32  windows.bin int64 …   manifest.json: counts, sizes and hashes of the files

The key is a hash of all that the ids depend on: the rows' bytes, the tokenizer, the task with its options and what it
learnt, the lengths, and the code with the libraries that it calls. What was damaged is made again. The files are
memory-mapped: the system keeps of them in memory what it has room for.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import lru_cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from weitiao.bundle import Settings
from weitiao.core import cache, files
from weitiao.core.errors import RunError
from weitiao.example import Example
from weitiao.splits import Stored
from weitiao.tasks import Encoded, Task

FEW = 20_000  # rows that are encoded in a second or two (docs/log.md): not worth a file
_CHUNK = 4096  # rows that are objects at a time
_MOST = 20e9  # bytes of the whole cache: what was not used for longest goes first
_MANIFEST = "manifest.json"
_FILES = {"ids": "i", "types": "B", "windows": "q", "rows": "q", "longest": "q", "lost": "q", "places": "q",
          "extras": "q", "extra": "B"}
"""Each file and the type of its numbers: token ids and their types, laid end to end; where in them each window ends;
at which window each row ends; tokens of its longest window and those that were cut; of which example it is; where its
target and notes end, and these as JSON."""

Encode = Callable[[Sequence[Example]], list[Encoded]]


class Kept(Sequence[Encoded]):
    """Encoded rows in a folder, as `_write` left it."""

    def __init__(self, folder: Path) -> None:
        self.facts: dict[str, Any] = files.read_json(folder / _MANIFEST)
        self._at = {name: _mapped(folder / f"{name}.bin", code) for name, code in _FILES.items()}
        self.sizes = Sizes(self._at["longest"], np.diff(self._at["rows"], prepend=0))

    def __len__(self) -> int:
        return len(self._at["rows"])

    @overload
    def __getitem__(self, place: int) -> Encoded: ...

    @overload
    def __getitem__(self, place: slice) -> list[Encoded]: ...

    def __getitem__(self, place: int | slice) -> Encoded | list[Encoded]:
        if isinstance(place, slice):
            return [self[i] for i in range(len(self))[place]]
        row, at = range(len(self))[place], self._at
        first, last = _span(at["rows"], row)
        spans = [_span(at["windows"], window) for window in range(first, last)]
        start, end = _span(at["extras"], row)
        target, notes = _tuples(json.loads(at["extra"][start:end].tobytes()))
        return Encoded(tuple(tuple(at["ids"][a:b].tolist()) for a, b in spans),
                       tuple(tuple(at["types"][a:b].tolist()) for a, b in spans) if len(at["types"]) else (),
                       target, int(at["lost"][row]), notes)

    @property
    def places(self) -> NDArray[np.int64]:
        """Of which example each row is."""
        return self._at["places"]

    @property
    def digest(self) -> str:
        """Of all that the rows say."""
        return hashlib.sha256(json.dumps(self.facts["files"], sort_keys=True).encode()).hexdigest()

    def used(self) -> NDArray[np.int64]:
        """The token ids that occur, ascending."""
        found = np.zeros(0, np.int64)
        for start in range(0, len(self._at["ids"]), 1 << 22):
            found = np.union1d(found, self._at["ids"][start : start + (1 << 22)])
        return found.astype(np.int64)

    def cuts(self) -> dict[str, float]:
        """Rows, rows cut, tokens, tokens cut."""
        return {"rows": len(self), "rows_cut": int(np.count_nonzero(self._at["lost"])), "tokens": len(self._at["ids"]),
                "tokens_cut": int(np.sum(self._at["lost"]))}


class Sizes(Sequence[tuple[int, int]]):
    """Per row (tokens of its longest window, windows), eight bytes each."""

    def __init__(self, lengths: NDArray[np.int64], windows: NDArray[np.int64]) -> None:
        self.lengths, self.windows = np.asarray(lengths, np.int32), np.asarray(windows, np.int32)

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((int(a), int(b)) for a, b in zip(self.lengths, self.windows, strict=True))

    @overload
    def __getitem__(self, place: int) -> tuple[int, int]: ...

    @overload
    def __getitem__(self, place: slice) -> list[tuple[int, int]]: ...

    def __getitem__(self, place: int | slice) -> tuple[int, int] | list[tuple[int, int]]:
        if isinstance(place, slice):
            return [self[i] for i in range(len(self))[place]]
        return int(self.lengths[place]), int(self.windows[place])


def _mapped(path: Path, code: str) -> NDArray[Any]:
    dtype = np.dtype(code)
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.zeros(0, dtype)


def _span(ends: NDArray[np.int64], place: int) -> tuple[int, int]:
    return int(ends[place - 1]) if place else 0, int(ends[place])


# -- the key -------------------------------------------------------------------------------------------------------

def identity(who: tuple[str, str], task: Task, tokenizer: Any, settings: Settings) -> str:
    """A hash of what token ids depend on beside the rows; `who`: the task's name and the base's kind."""
    words = {"class": type(tokenizer).__name__, "most": tokenizer.model_max_length,
             "special": {k: str(v) for k, v in tokenizer.special_tokens_map.items()},
             "split": tokenizer.split_special_tokens, "template": tokenizer.chat_template,
             "inputs": tokenizer.model_input_names, "side": tokenizer.truncation_side,
             "all": hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()}
    says = {"who": who, "options": task.options.model_dump(mode="json"), "columns": dict(task.columns),
            "state": task.state()}
    return _digest([says, words, [settings.max_length, settings.windows], code()])


@lru_cache
def code() -> str:
    """Of every file of this package, and of the libraries that make token ids."""
    root = Path(__file__).resolve().parents[1]
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return _digest([found.hexdigest(), [version(x) for x in ("tokenizers", "transformers", "numpy")]])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


# -- finding and making --------------------------------------------------------------------------------------------

def kept(examples: Stored, key: str, encode: Encode, odd: Callable[[Example], bool], *, apart: bool) -> Kept | None:
    """The rows of a file that can be learnt from, from the cache or made now; None where their targets or notes are
    more than numbers in tuples (places in texts), which are held in memory.

    Args:
        key: `identity`.
        encode: some rows.
        odd: does a row hold control tokens? Counted in `facts`.
        apart: each window becomes a row of its own.

    Raises what `encode` raises, and RunError `disk.write_failed`.
    """
    from filelock import FileLock

    place = cache.root() / "tokens"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)  # token ids are the texts: for their owner alone
    except OSError as e:
        raise files.write_failed(place, e) from e
    folder = place / _digest([key, files.sha256(examples.path), apart])[:32]
    with FileLock(place / f".{folder.name}.lock"):
        if not _whole(folder):
            try:
                with files.new_folder(folder) as tmp:
                    _write(tmp, examples, encode, odd, apart=apart)
            except _NotPlain:
                return None
            _prune(place, folder)
        (folder / _MANIFEST).touch()
        return Kept(folder)


def _whole(folder: Path) -> bool:
    """Is it there, and byte for byte what was written?"""
    if not (folder / _MANIFEST).is_file():
        return False
    try:
        said = files.read_json(folder / _MANIFEST)["files"]
    except (RunError, KeyError, TypeError):
        return False
    return all((folder / name).is_file() and files.sha256(folder / name) == digest for name, digest in said.items())


def _prune(place: Path, own: Path) -> None:
    """Drop what was not used for longest until the cache is small enough."""
    found = sorted((p.stat().st_mtime, p.parent) for p in place.glob(f"*/{_MANIFEST}"))
    sizes = {folder: sum(p.stat().st_size for p in folder.iterdir()) for _, folder in found}
    for _, folder in found:
        if sum(sizes.values()) <= _MOST:
            return
        if folder != own:
            shutil.rmtree(folder, ignore_errors=True)  # Windows keeps what another process has mapped
            del sizes[folder]


class _NotPlain(Exception):
    """A target or notes that JSON would not give back."""


def _write(folder: Path, examples: Iterable[Example], encode: Encode, odd: Callable[[Example], bool], *,
           apart: bool) -> None:
    """All rows, some at a time: while one chunk is written the next is being encoded."""
    facts: dict[str, Any] = {"left_out": 0, "whole": 0, "control_rows": 0, "control_places": []}
    ends = {"windows": 0, "rows": 0, "extras": 0}
    source = iter(examples)

    def chunk() -> tuple[list[Example], list[Encoded]]:
        some = list(islice(source, _CHUNK))
        return some, encode(some) if some else []

    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        out = {name: stack.enter_context((folder / f"{name}.bin").open("wb")) for name in _FILES}
        coming = pool.submit(chunk)
        while (now := coming.result())[0]:
            coming = pool.submit(chunk)
            for example in filter(odd, now[0]):
                facts["control_rows"] += 1
                if len(facts["control_places"]) < 9:
                    facts["control_places"].append(example.source)
            numbers = _numbers(now[1], facts, ends, apart=apart)
            for name, values in numbers.items():
                values.tofile(out[name])
    facts["files"] = {f"{name}.bin": files.sha256(folder / f"{name}.bin") for name in _FILES}
    files.write_json(folder / _MANIFEST, facts)


def _numbers(rows: Sequence[Encoded], facts: dict[str, Any], ends: dict[str, int], *,
             apart: bool) -> dict[str, array[Any]]:
    """A chunk as the numbers of `_FILES`; `facts` and `ends` go on."""
    out = {name: array(code) for name, code in _FILES.items()}
    for row in rows:
        place = facts["whole"]
        facts["whole"] += 1
        if row.left_out:
            facts["left_out"] += 1
            continue
        for one in row.apart() if apart else (row,):
            for window, kinds in zip(one.windows, one.types or ((),) * len(one.windows), strict=True):
                out["ids"].extend(window)
                out["types"].extend(kinds)
                ends["windows"] += len(window)
                out["windows"].append(ends["windows"])
            extra = json.dumps([_plain(one.target), _plain(one.notes)], separators=(",", ":")).encode()
            ends["rows"] += len(one.windows)
            ends["extras"] += len(extra)
            out["extra"].frombytes(extra)
            for name, value in (("rows", ends["rows"]), ("extras", ends["extras"]), ("longest", one.length),
                                ("lost", one.tokens_lost), ("places", place)):
                out[name].append(value)
    return out


def _plain(value: Any) -> Any:
    """Itself where JSON gives it back: None, numbers, and tuples of such. Raises _NotPlain."""
    if type(value) is tuple:
        return [_plain(x) for x in value]
    if value is None or type(value) in (int, float, bool):
        return value
    raise _NotPlain


def _tuples(value: Any) -> Any:
    return tuple(_tuples(x) for x in value) if isinstance(value, list) else value
