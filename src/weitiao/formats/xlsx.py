"""Excel workbooks: the first sheet that holds anything; the line of a row is its row number in the sheet.

    | text   | label    |
    | 很好吃 | positive |
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import date, time
from itertools import islice
from typing import Any

from weitiao.core.errors import MissingExtra
from weitiao.core.i18n import t
from weitiao.example import Row
from weitiao.formats import BadRow, Source, empty
from weitiao.formats._header import column_names, is_header, names_by_position
from weitiao.formats._shared import not_this_format

SUFFIXES = (".xlsx", ".xlsm")
_SAMPLE_ROWS = 1000


def read(source: Source) -> Iterator[Row | BadRow]:
    """The sheet's rows, values as strings ("1" for the number 1, ISO text for dates); empty rows are skipped.

    Raises MissingExtra without python-calamine, DataError `data.not_this_format`, `data.empty_file`.
    """
    sheet = _sheet(source)
    sample = [cells for _, cells in islice(_filled(sheet), _SAMPLE_ROWS)]
    used = [i for i in range(len(sample[0])) if any(row[i] for row in sample)]
    first, rest = [sample[0][i] for i in used], [[row[i] for i in used] for row in sample[1:]]
    headed = is_header(first, rest)
    names = column_names(source, first) if headed else names_by_position([first, *rest], len(first))
    if not headed:
        source.facts["header"] = "none"
    for number, cells in islice(_filled(sheet), int(headed), None):
        yield Row({n: cells[i] for n, i in zip(names, used, strict=True)}, source.shown, number)


def _sheet(source: Source) -> Any:
    """The first sheet with anything in it. That others hold something as well is said in `facts`."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise MissingExtra("python-calamine", "xlsx", source.shown) from None
    if not source.path.stat().st_size:
        raise empty(source)
    try:
        book = CalamineWorkbook.from_path(str(source.path))
        sheets = [s for s in map(book.get_sheet_by_name, book.sheet_names) if s.height]
    except (CalamineError, OSError) as e:
        raise not_this_format(source, t("cannot be read as a workbook: {e}", "无法按 Excel 工作簿读取：{e}", e=e),
                              "xlsx",
                              t("save it again as .xlsx without a password, or as CSV",
                                "请重新另存为不加密的 .xlsx，或存为 CSV")) from e
    if not sheets:
        raise empty(source)
    if len(sheets) > 1:
        source.facts["sheet"] = sheets[0].name
        source.facts["ignored"] = ", ".join(s.name for s in sheets[1:])
    return sheets[0]


def _filled(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Row number and cells of the rows that hold anything."""
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = [_text(c) for c in row]
        if any(cells):
            yield number, cells


def _text(cell: Any) -> str:
    """A cell as a person sees it. Excel keeps every number as a float: 1.0 is shown as 1."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, (date, time)) else str(cell)


SAMPLES = (base64.b64decode(  # one sheet: text, 好, good, yes
    "UEsDBBQAAAAIAAAAIQAn5JcqygAAAG4BAAATAAAAW0NvbnRlbnRfVHlwZXNdLnhtbH2QMW7DMAxFr2JoLSIGHTIUcZa2a5uhF2Bk"
    "OhYsiYLIpO7tIzvJUqSdCPL/z0dw+/WTSZophiStGVTzC4C4gSKK5UypKj2XiFrbcoSMbsQjwfN6vQHHSSnpSucdZrd9ox5PQZv3"
    "qY7Fc2pNoSCmeb0aZ1ZrMOfgHWrV4Zy6X5TVjWBrcvHI4LM8VYOBh4RZ+Rtwy32eqRTfUbPHoh8YqwumAN9cxgPzaP9f8uBK7nvv"
    "qGN3ijViJRfCTgYijcEu1Ub06X43LG/eXQBQSwMEFAAAAAgAAAAhAKtfhmeGAAAA7QAAAAsAAABfcmVscy8ucmVsc43PPQ4CIRQE"
    "4KsQDrBvY2FhWCobW+MFEB8/4ecRYON6eylXY2E5mcmXjLhiVN1Tbs6XxrYUc1u4672cAJp2mFSbqGAejaGaVB+xWihKB2URDvN8"
    "hLo3uBR7k10eC6+c3V4F/4HJGK/xTHpNmPsP/2sxZFUt9oVvEZ5Uw50oTAPlIAV8vJNvUEsDBBQAAAAIAAAAIQAfGF+5iwAAAN0A"
    "AAAPAAAAeGwvd29ya2Jvb2sueG1sjY8xDoMwDEWvEvkANXTogICpS4+RgmkicBzZQe3xi6Dsneyn//Ust2/R+Skyuw8vyToIpeQG"
    "0YZA7O0imdKWTKLsy4b6QstKfrRAVHjBa1XdkH1McBga/cch0xQHusuwMqVySJQWX6IkCzEb9O1+wX7TJc/UgYHb8TF2UIPTJm6L"
    "1oB9i2cfz5f6L1BLAwQUAAAACAAAACEArwFctYUAAADgAAAAGgAAAHhsL19yZWxzL3dvcmtib29rLnhtbC5yZWxzjc87DsIwEATQ"
    "q1g+QDahoEC2KxpaxAUss/4o8UfeRcDtcRkkCsrRSG806oqb5VQLxdRIvPJWSMvI3E4A5CJmS1NtWEbja8+WR+wBmnWrDQiHeT5C"
    "3xvSqL0pLnct+yLF7d3wH7l6nxyeq3tkLPxjAJ61rxQReaC2B2QtaZkGI8Eo+DpkPlBLAwQUAAAACAAAACEAj9Qfw6MAAABPAQAA"
    "CQAAAHhsL3MxLnhtbK2QPQ7CMAyFr1JlRrhiYKjcTNyAE0SpaSOaH8UWLQfiGByHexAyIAYWJAYPz37+nmxcYj7zRCTN6ufAvZpE"
    "UgfAdiJveBsThTI5xeyNFJlH4JTJDHXJz7Br2z1444LSWHsHI0ZjjotG20ivXJhdoKPkYnCssSZ1nIylXhUUU76Q0kKrIIhGeJnA"
    "lqqMn0GP2/0vnDHGYdNcib/R4ONUeP9QPwFQSwECFAMUAAAACAAAACEAJ+SXKsoAAABuAQAAEwAAAAAAAAAAAAAAgAEAAAAAW0Nv"
    "bnRlbnRfVHlwZXNdLnhtbFBLAQIUAxQAAAAIAAAAIQCrX4ZnhgAAAO0AAAALAAAAAAAAAAAAAACAAfsAAABfcmVscy8ucmVsc1BL"
    "AQIUAxQAAAAIAAAAIQAfGF+5iwAAAN0AAAAPAAAAAAAAAAAAAACAAaoBAAB4bC93b3JrYm9vay54bWxQSwECFAMUAAAACAAAACEA"
    "rwFctYUAAADgAAAAGgAAAAAAAAAAAAAAgAFiAgAAeGwvX3JlbHMvd29ya2Jvb2sueG1sLnJlbHNQSwECFAMUAAAACAAAACEAj9Qf"
    "w6MAAABPAQAACQAAAAAAAAAAAAAAgAEfAwAAeGwvczEueG1sUEsFBgAAAAAFAAUANgEAAOkDAAAAAA=="
),)
