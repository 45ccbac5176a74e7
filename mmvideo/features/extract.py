"""Compute the features of many clips: what is kept is not computed again, and a run that was stopped goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from torch import Tensor

from mmvideo.errors import InvalidInput, MediaError, MmvideoError
from mmvideo.features.frozen import FrozenEncoder
from mmvideo.features.store import FeatureStore
from mmvideo.features.views import EVERYTHING, PERSON, Box, SharedViews, opened_clip
from mmvideo.labelled.rows import ClipRow
from mmvideo.objects.people import PeopleFinder

BATCH = 4
"""Clips in one pass, and of one write."""


@dataclass(frozen=True)
class Extracted:
    """What came of the clips for one encoder."""

    vectors: dict[str, np.ndarray]
    """float32 (D,) by the clip's key."""
    failed: dict[str, str]
    """Clip as it is named -> why it has none."""
    computed: int
    reused: int
    seconds: float
    """Wall time of those that were computed."""
    cpu_seconds: float
    reading_seconds: float
    """Wall time in which the kept ones were read."""


def extract(encoder: FrozenEncoder, rows: Sequence[ClipRow], store: FeatureStore, *,
            people: PeopleFinder | None = None, shared: SharedViews | None = None,
            on_progress: Callable[[int, int], None] | None = None) -> Extracted:
    """Return the features of clips, from the store where they are kept.

    Args:
        rows: clips that know their content (`mmvideo.labelled.read.fingerprinted`).
        people: finds people, for the view's crop `person`.
        shared: what was decoded for other encoders.
        on_progress: called with the number of clips that are done, and of all.

    Raises:
        OutputError: the store cannot be written.
    """
    config = store.configure(encoder.about)
    wanted = {row.key: row for row in rows if row.content}
    failed = {row.clip: f"{row.path}: no such file, or it cannot be read" for row in rows if not row.content}
    missing = [row for key, row in wanted.items() if key not in store.known(config)] if wanted else []
    begun, cpu = time.perf_counter(), time.process_time()
    boxes = _boxes(missing, store, people or PeopleFinder(), failed) if encoder.view.crop == PERSON else {}
    missing = [row for row in missing if row.clip not in failed]
    done = len(wanted) - len(missing)
    with ThreadPoolExecutor(1) as pool:
        for some in _batches(_decoded(encoder, missing, boxes, shared or SharedViews(0), pool), BATCH):
            good = [(row, frames) for row, frames in some if isinstance(frames, Tensor)]
            failed |= {row.clip: str(frames) for row, frames in some if isinstance(frames, MmvideoError)}
            if good:
                vectors = encoder.features([frames for _, frames in good]).numpy()
                store.add(config, {row.key: vector for (row, _), vector in zip(good, vectors, strict=True)})
            done += len(some)
            if on_progress is not None:
                on_progress(done, len(wanted))
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    begun = time.perf_counter()
    found = store.get(config, wanted)
    reading = time.perf_counter() - begun
    computed = sum(row.key in found for row in missing)
    return Extracted(found, failed, computed, len(found) - computed, seconds, cpu, reading)


def _boxes(rows: Sequence[ClipRow], store: FeatureStore, people: PeopleFinder, failed: dict[str, str]
           ) -> dict[str, Box]:
    """Return where people are in each clip, kept as features are; adds to `failed`."""
    config = store.configure({"people": people.record()})
    known = store.get(config, [row.key for row in rows])
    for row in rows:
        if row.key not in known:
            try:
                with opened_clip(row.path) as source:
                    box = people.box(source, row.start_seconds, row.end_seconds)
            except (MediaError, InvalidInput) as error:
                failed[row.clip] = str(error)
                continue
            known[row.key] = np.array(box, "<f4")
            store.add(config, {row.key: known[row.key]})
    return {key: (float(box[0]), float(box[1]), float(box[2]), float(box[3])) for key, box in known.items()}


def _decoded(encoder: FrozenEncoder, rows: Sequence[ClipRow], boxes: dict[str, Box], shared: SharedViews,
             pool: ThreadPoolExecutor) -> Iterator[tuple[ClipRow, Tensor | MmvideoError]]:
    """Yield each clip with its frames or its error; the next ones are decoded while the network works."""
    def take(row: ClipRow) -> Tensor | MmvideoError:
        try:
            return shared.take(encoder.view, row, boxes.get(row.key, EVERYTHING))
        except (MediaError, InvalidInput) as error:
            return error

    waiting: list[tuple[ClipRow, Future[Tensor | MmvideoError]]] = []
    left = iter(rows)
    while True:
        waiting += [(row, pool.submit(take, row)) for row in islice(left, 2 * BATCH - len(waiting))]
        if not waiting:
            return
        row, future = waiting.pop(0)
        yield row, future.result()


def _batches(items: Iterator[tuple[ClipRow, Tensor | MmvideoError]], size: int
             ) -> Iterator[list[tuple[ClipRow, Tensor | MmvideoError]]]:
    while some := list(islice(items, size)):
        yield some


__all__ = ["BATCH", "Extracted", "extract"]
