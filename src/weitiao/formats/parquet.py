"""Parquet: columns of typed values, read batch by batch. The line of a row is its number, from 1.

    text: string   label: int64
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from typing import Any

from weitiao.core.errors import RowError
from weitiao.core.i18n import t
from weitiao.core.parquet import opened
from weitiao.example import Row
from weitiao.formats import BadRow, Source, empty
from weitiao.formats._header import column_names
from weitiao.formats._shared import not_this_format

SUFFIXES = (".parquet", ".pq")
_BATCH = 4096


def read(source: Source) -> Iterator[Row | BadRow]:
    """The file's rows with JSON-like values: dates as ISO text, decimals as numbers, bytes as UTF-8, NaN as null."""
    import pyarrow as pa

    if not source.path.stat().st_size:
        raise empty(source)
    line = 0
    try:
        with opened(source.path) as file:
            if not file.metadata.num_rows:
                raise empty(source)
            column_names(source, file.schema_arrow.names)  # two of one name would hide each other
            for batch in file.iter_batches(_BATCH):
                for values in batch.to_pylist():
                    line += 1
                    yield _row(source, line, values)
    except (pa.ArrowException, OSError) as e:
        raise not_this_format(source, t("cannot be read as parquet: {e}", "无法按 parquet 读取：{e}", e=str(e)[:200]),
                              "Parquet", t("write it again, or name its format with --format",
                                           "请重新导出，或用 --format 指明格式"), line) from e


def _row(source: Source, line: int, values: dict[str, Any]) -> Row | BadRow:
    try:
        return Row({k: _plain(v, k) for k, v in values.items()}, source.shown, line)
    except RowError as e:
        return BadRow(source.shown, line, e.field, e.code, e.reason)


def _plain(value: Any, field: str) -> Any:
    """A value as JSON has it. Raises RowError for bytes that are no text."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, list):
        return [_plain(v, field) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v, field) for k, v in value.items()}
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise RowError("row.not_text", field, t("bytes that are no UTF-8 text",
                                                    "字节内容不是 UTF-8 文本")) from None
    from datetime import date, time
    from decimal import Decimal

    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


SAMPLES = (base64.b64decode(  # one column, two rows
    "UEFSMRUAFTQVNCwVBBUAFQYVBhwAAAACAAAABAEDAAAA5aW9CQAAAGdvb2QsIHllcxUEGSw1ABgGc2NoZW1hFQIAFQwlAhgEdGV4"
    "dCUATBwAAAAWBBkcGRwmABwVDBklBgAZGAR0ZXh0FQAWBBZaFlomCEkcFQAVABUCADwWGBkGGSYABAAAABZaFgQmCBZaACggcGFy"
    "cXVldC1jcHAtYXJyb3cgdmVyc2lvbiAyNi4wLjEZHBwAAACIAAAAUEFSMQ=="
),)
