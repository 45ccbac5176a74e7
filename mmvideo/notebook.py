"""How results look in a notebook: HTML, and tables for pandas."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from mmvideo.errors import MissingExtra, MmvideoError
from mmvideo.wording import printable

if TYPE_CHECKING:
    from typing import SupportsIndex

T = TypeVar("T")
MOST_ROWS = 200
"""Rows of a table that HTML shows; `to_pandas()` has all."""
_CELL = "text-align:left;vertical-align:top;padding:2px 10px 2px 0"


class Segments(tuple[T, ...]):
    """Spans of time with what was said about each: a tuple that a notebook shows as a table."""

    __slots__ = ()

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`, a row a span: start_seconds, end_seconds, text, confidence.

        Raises:
            MissingExtra: pandas is absent.
        """
        return data_frame([segment_row(one) for one in self], columns=SEGMENT_COLUMNS)

    def _repr_html_(self) -> str:
        return table_html([segment_row(one) for one in self])


SEGMENT_COLUMNS = ("start_seconds", "end_seconds", "text", "confidence")


class Results(list[T]):
    """Results in the order of what was asked: a list that a notebook shows as a table.

    An item is a result, the `MmvideoError` of a video that failed, or, where several questions were asked of each
    video, the results of one video.
    """

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`, a row a result.

        Columns are source, question, text, label, confidence, in_domain, start_seconds and end_seconds of what was
        looked at, duration_seconds, model, warnings and error; those that hold nothing are left out.

        Raises:
            MissingExtra: pandas is absent.
        """
        return data_frame(self._rows())

    def _rows(self) -> list[dict[str, Any]]:
        return _without_empty([result_row(one) for one in _flat(self)])

    def _repr_html_(self) -> str:
        return table_html(self._rows())

    @overload
    def __getitem__(self, place: SupportsIndex) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Results[T]: ...

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return Results(found) if isinstance(place, slice) else found


def _flat(items: Iterable[Any]) -> Iterable[Any]:
    for item in items:
        if isinstance(item, list | tuple):
            yield from _flat(item)
        else:
            yield item


def segment_row(one: Any) -> dict[str, Any]:
    """Return a segment as columns."""
    return {name: getattr(one, name) for name in SEGMENT_COLUMNS}


def result_row(one: Any) -> dict[str, Any]:
    """Return a result, or the error in its place, as columns; None where it has none of them."""
    if isinstance(one, MmvideoError):
        return {"error": f"{type(one).__name__}: {one}"}
    if not dataclasses.is_dataclass(one):
        return {"text": str(one)}
    looked = getattr(one, "seconds_looked_at", ())
    row = {name: getattr(one, name, None) for name in ("source", "question", "text", "label", "confidence")}
    domain = getattr(one, "in_domain", None)
    return row | {
        "in_domain": None if domain is None else domain.inside,
        "start_seconds": looked[0] if looked else None, "end_seconds": looked[-1] if looked else None,
        "duration_seconds": getattr(one, "duration_seconds", None), "model": getattr(one, "model", None) or None,
        "warnings": "; ".join(getattr(one, "warnings", ())) or None, "error": None}


def _without_empty(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the columns that hold nothing in any row."""
    columns = [name for name in dict.fromkeys(name for row in rows for name in row)
               if any(row.get(name) is not None for row in rows)]
    return [{name: row.get(name) for name in columns} for row in rows]


def data_frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> Any:
    """Return rows as a `pandas.DataFrame`.

    Raises:
        MissingExtra: pandas is absent.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtra("pandas", "notebook", "to_pandas()") from error
    return pandas.DataFrame([dict(row) for row in rows], columns=None if columns is None else list(columns))


def table_html(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay rows out as an HTML table; every value is escaped."""
    if not rows:
        return "<p>empty</p>"
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f'<th style="{_CELL}">{_escaped(name.replace("_", " "))}</th>' for name in names)
    body = "".join("<tr>" + "".join(f'<td style="{_CELL}">{_escaped(cell(row.get(name)))}</td>' for name in names)
                   + "</tr>" for row in rows[:MOST_ROWS])
    more = f"<p>and {len(rows) - MOST_ROWS} more rows</p>" if len(rows) > MOST_ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def cell(value: Any) -> str:
    """Return the words of a cell; three significant decimals are enough to read."""
    if value is None:
        return ""
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    return html.escape(printable(text)).replace("\n", "<br>")


def result_html(headline: str, about: Sequence[str], caveat: str, segments: Sequence[Any],
                picture: bytes | None) -> str:
    """Lay a result out.

    Args:
        headline: the answer itself.
        about: lines about what it rests on, and warnings.
        caveat: what is read before it; may be empty.
        segments: shown as a table where there is more than one.
        picture: a PNG; None for none.
    """
    parts = [f"<p><b>{_escaped(caveat)}</b></p>" if caveat else "",
             f'<p style="font-size:1.15em;white-space:pre-wrap">{html.escape(printable(headline))}</p>',
             *(f'<p style="color:#777;margin:0">{_escaped(line)}</p>' for line in about if line)]
    if len(segments) > 1:
        parts.append(table_html([segment_row(one) for one in segments]))
    if picture is not None:
        parts.append('<img style="max-width:100%" alt="frames looked at and a timeline" src="data:image/png;base64,'
                     f'{base64.b64encode(picture).decode()}">')
    return f'<div class="mmvideo-result">{"".join(parts)}</div>'


def png_of(draw: Callable[[], Any]) -> bytes | None:
    """Return a matplotlib figure as the bytes of a PNG; None where it cannot be drawn, as when the file is gone."""
    try:
        figure = draw()
    except (MmvideoError, OSError):
        return None
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    return file.getvalue()


__all__ = ["Results", "Segments", "data_frame", "png_of", "result_html", "result_row", "segment_row", "table_html"]
