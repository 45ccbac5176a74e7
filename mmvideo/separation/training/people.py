"""Clips of many people who talk, a table beside them: one long stretch of speech a person, joined from short clips.

The table `clips.tsv` has the columns clip, group, person and split. A group may hold several clips of one moment, so
two voices of one mixture always come from two groups.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmvideo.errors import MediaNotFound
from mmvideo.separation.training.bank import FRAME, Utterance, cut_clips, faces_bank, grid_clips
from mmvideo.training.resume import digest

TABLE = "clips.tsv"


@dataclass(frozen=True)
class PersonClip:
    """One row of the table."""

    path: Path
    group: str
    person: str


def people_clips(folder: str | Path, split: str, *, groups: Collection[str] = (),
                 without: Collection[str] = ()) -> list[PersonClip]:
    """Return the clips of a split, in the table's order.

    Args:
        folder: with the table and the clips.
        split: as the table calls it.
        groups: only these; empty for all.
        without: groups that are left out.

    Raises:
        MediaNotFound: no table, no such clips, or a group of which the split has none.
    """
    home = Path(folder).expanduser()
    if not (home / TABLE).is_file():
        raise MediaNotFound(f"{folder} holds no {TABLE} (columns clip, group, person, split); see docs/voices.md.")
    with open(home / TABLE, encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["split"] == split]
    found = [PersonClip(home / r["clip"], r["group"], r["person"]) for r in rows
             if (not groups or r["group"] in groups) and r["group"] not in without]
    if unknown := sorted({*groups, *without} - {r["group"] for r in rows}):
        raise MediaNotFound(f"{folder} holds no clips of split {split!r} in group {', '.join(map(repr, unknown))}.")
    if not found:
        raise MediaNotFound(f"{folder} holds no clips of split {split!r} in groups {sorted(groups) or 'of any name'}.")
    return found


def talkers_bank(clips: list[PersonClip], cache: str | Path, *, orders: int = 2, seed: int = 0) -> list[Utterance]:
    """Return speech with filmed mouths; the speaker is the group.

    Args:
        clips: short ones.
        cache: folder that the mouths are kept in.
        orders: how often the clips of a person are joined, each time in another order.
        seed: of the orders.
    """
    cut = {name: row for name, *row in cut_clips([c.path for c in clips], cache)}
    people: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for clip in clips:
        if clip.path.stem in cut:
            people[clip.group, clip.person].append(clip.path.stem)
    random, found = np.random.default_rng(seed), []
    for (group, person), names in people.items():
        for order in range(orders):
            rows = [cut[names[i]] for i in random.permutation(len(names))]
            sound, mouths, seen = (np.concatenate(parts) for parts in zip(*rows, strict=True))
            assert len(sound) == len(mouths) * FRAME
            joins = tuple(np.cumsum([len(mouths) for _, mouths, _ in rows])[:-1].tolist())
            found.append(Utterance(group, f"{person}-{order}", sound, mouths, seen, joined=True, joins=joins))
    return found


@dataclass(frozen=True)
class FilmedSources:
    """Where filmed speech comes from."""

    faces: str = ""
    """Folder of clips of one talker (GRID); empty to do without."""
    more_faces: tuple[str, ...] = ()
    """Folders of further talkers, one each."""
    people: str = ""
    """Folder of clips of many people, with their table; its split "train" is used."""
    people_held_out: tuple[str, ...] = ()
    """Groups of this split that are kept for the curve."""
    every: int = 1
    """Of the clips of `faces`, one in this many is used."""
    cache: str = "runs/separator-cache"
    """Folder that the mouths cut out are kept in."""

    def bank(self, *, held_out: bool) -> list[Utterance]:
        """Return what is for training, or for the curve.

        Raises:
            MediaNotFound: a folder without data.
        """
        found = []
        for folder in (self.faces, *self.more_faces):
            if folder:
                every = self.every if folder == self.faces else 1
                found += faces_bank(folder, self.cache, held_out=held_out, every=every)
        if self.people and not held_out:
            found += talkers_bank(people_clips(self.people, "train", without=self.people_held_out), self.cache)
        elif self.people and self.people_held_out:
            found += talkers_bank(people_clips(self.people, "train", groups=self.people_held_out), self.cache, orders=1)
        return found

    def digests(self) -> dict[str, str]:
        """Return a digest of the names of what trains, by source."""
        found = {name: digest(p.name for p in grid_clips(name, held_out=False))
                 for name in (self.faces, *self.more_faces) if name}
        if self.people:
            clips = people_clips(self.people, "train", without=self.people_held_out)
            found[self.people] = digest(c.path.name for c in clips)
        return found


__all__ = ["TABLE", "FilmedSources", "PersonClip", "people_clips", "talkers_bank"]
