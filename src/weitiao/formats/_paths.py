"""From what a user names to files to read: files, folders, endings, the nearest name where there is none.

>>> [(f.format, f.source.shown) for f in expand(["data"], "auto", "auto", "auto")]
[('csv', 'data/a.csv'), ('jsonl', 'data/b.jsonl.gz')]
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from weitiao import formats
from weitiao.core.errors import DataError
from weitiao.core.i18n import t
from weitiao.formats import File, Source

_MAX_LISTED = 2000  # names of a folder that are compared with a mistyped one


def expand(paths: Sequence[str | Path], format: str, encoding: str, delimiter: str,
           root: Path | None = None) -> list[File]:
    """See `formats.find`."""
    found: dict[Path, File] = {}
    for given in paths:
        path = Path(given).expanduser()
        real = root / path if root else path
        for file in _files(real, str(given)):
            name = str(path / file.relative_to(real)) if file != real else str(given)
            kind = _format(file, name) if format == "auto" else format
            source = Source(file, None if encoding == "auto" else encoding, _delimiter(delimiter), name)
            found.setdefault(file.resolve(), File(kind, source))
    return list(found.values())


def _files(path: Path, name: str) -> Iterator[Path]:
    if path.is_dir():
        inside = sorted(p for p in path.iterdir()
                        if p.is_file() and not p.name.startswith(".") and _known(p) is not None)
        if not inside:
            raise DataError("data.no_files", t("no file of a known format lies in this folder",
                                               "该目录下没有可识别格式的文件"),
                            where=name, expected=", ".join(sorted(by_suffix())),
                            fix=t("name the files themselves", "请直接写出文件名"))
        yield from inside
    elif path.is_file():
        yield path
    else:
        raise _missing(path, name)


def _missing(path: Path, name: str) -> DataError:
    close: list[str] = []
    if path.parent.is_dir():
        beside = [p.name for p, _ in zip(path.parent.iterdir(), range(_MAX_LISTED), strict=False)]
        close = difflib.get_close_matches(path.name, beside, n=3, cutoff=0.5)
    hint = (t("did you mean {x}?", "是不是想写 {x}？", x=" / ".join(str(Path(name).parent / c) for c in close)) if close
            else t("check the path; it is looked for in {d}", "请检查路径；当前目录为 {d}", d=Path.cwd()))
    return DataError("data.missing_file", t("there is no such file", "文件不存在"), where=name, fix=hint)


@cache
def by_suffix() -> dict[str, str]:
    """Ending to format."""
    return {suffix: name for name in formats.names() for suffix in formats.load(name).SUFFIXES}


def _known(path: Path) -> str | None:
    """The format by the ending, `.gz` looked through."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return by_suffix().get(suffixes[-1]) if suffixes else None


def _format(path: Path, name: str) -> str:
    kind = _known(path)
    if kind is None:
        raise DataError("data.unknown_format",
                        t("the ending {s!r} says nothing about the format", "无法由扩展名 {s!r} 判断格式",
                          s=path.suffix),
                        where=name, expected=", ".join(sorted(by_suffix())),
                        fix=t("rename the file or add --format, one of: {n}", "请改名，或加 --format，可选：{n}",
                              n=", ".join(formats.names())))
    return kind


def _delimiter(given: str) -> str | None:
    if given == "auto":
        return None
    char = {"tab": "\t", "\\t": "\t"}.get(given, given)
    if len(char) != 1 or char in '"\r\n':
        raise DataError("data.delimiter", t("{d!r} cannot separate fields", "{d!r} 不能用作分隔符", d=given),
                        expected=t("one character, e.g. , ; | or tab", "单个字符，例如 , ; | 或 tab"),
                        fix=t("leave it out: it is detected", "可省略：会自动检测"))
    return char
