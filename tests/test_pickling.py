"""Whatever the library hands out can be pickled and copied, and is the same afterwards."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmvideo import Pipeline, probe, read_audio, read_video, recipes, results, types
from mmvideo.faces import Faces, FaceTrack, TrackGiven
from mmvideo.faces.spool import Spool
from mmvideo.jobs import JobSummary
from mmvideo.localization.action_result import ActionTracks
from mmvideo.localization.actions import ActingTrack
from mmvideo.localization.result import Localization
from mmvideo.localization.spans import LocatedSpan
from mmvideo.objects.result import Tracks
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.results import Answer, Caption, Citation, Classification, Embedding, Evidence
from mmvideo.separation.voices import SeparatedVoices, Voice, result, tracks
from mmvideo.types import (
    Clips,
    Cues,
    Domain,
    Features,
    GenerationOptions,
    Label,
    Proof,
    SeenBox,
    Segment,
    Size,
    Timings,
)
from mmvideo.weights import weights_root

CLIP = weights_root() / "demo" / "toybox.mp4"
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy, "deepcopy": copy.deepcopy,
    **{f"pickle {protocol}": lambda x, p=protocol: pickle.loads(pickle.dumps(x, p))
       for protocol in (2, pickle.DEFAULT_PROTOCOL, pickle.HIGHEST_PROTOCOL)},
}


def same(one: Any, other: Any) -> bool:
    """Compare deeply, arrays and files on disk by what they hold."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, Spool):
        return one.shape == other.shape and same(one.read(0, len(one)), other.read(0, len(other)))
    if dataclasses.is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def _spool(rows: int = 3000, shape: tuple[int, ...] = (), dtype: type = np.float32) -> Spool:
    spool = Spool(shape, dtype)
    spool.append(np.random.default_rng(0).integers(0, 200, (rows, *shape)).astype(dtype))
    return spool


def _examples() -> dict[str, Any]:
    clips = Clips(torch.zeros(1, 2, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 2, dtype=torch.float64),
                  torch.ones(1, 2, dtype=torch.bool))
    about = {"confidence": 0.5, "seconds_looked_at": (0.0, 1.0), "in_domain": Domain(True), "warnings": ("one",),
             "segments": (Segment(0.0, 1.0, "static", 0.5),), "timings": Timings((("read", 0.1),))}
    kept = Evidence(clips=clips)
    proof = Proof(((0.0, 1.0),), (SeenBox(0.5, (0.1, 0.2, 0.3, 0.4), "ball", 0.9),), "a ball")
    sound = tracks.Sound(_spool(), 0, 4000, 0.0)
    face, unseen = ({"confidence": 0.5, "spans": ((0.0, 1.0),), "first_box_seconds": 0.0, "sound": sound,
                     "boxes": np.full((4, 4), np.nan, np.float32), "thumbnail": picture}
                    for picture in (np.zeros((224, 224, 3), np.uint8), None))
    track = FaceTrack(1, 0, np.zeros((3, 4), np.float32), np.ones(3, bool), _spool(3, (96, 96), np.uint8),
                      np.zeros((224, 224, 3), np.uint8), 30.0, np.zeros(3, np.float32), np.zeros(3, np.float32))
    return {
        "Answer": Answer(text="a ball", question="what?", evidence=Evidence(source=b"bytes", proof=proof),
                         citations=(Citation(35.0, "00:35", False, "no frame was shown there"),), **about),
        "Caption": Caption(text="a ball rolls", evidence=Evidence(source=CLIP, options={"strict": True}), **about),
        "Classification": Classification(label="static", labels=(Label("static", 0.5),), evidence=kept, **about),
        "SeparatedVoices": SeparatedVoices(tracks=(Voice(number=1, **face), Voice(number=2, **unseen)), by="faces",
                                           off_screen=sound, mixture=sound,
                                           sync=tracks.SoundSync(80.0, 0.9, True, 0.8, 2.0), **about),
        "Embedding": Embedding(vector=(0.6, 0.8), text="a ball rolls", evidence=kept, **about),
        "Tracks": Tracks(tracks=(ObjectTrack(1, "dog", (0.0,), ((0.0, 0.1, 0.5, 0.6),), (0.9,), ("brown",)),), **about),
        "ActionTracks": ActionTracks(tracks=(ActingTrack(
            ObjectTrack(1, "dog", (0.0,), ((0.0, 0.1, 0.5, 0.6),), (0.9,)),
            (LocatedSpan(0.0, 1.0, "moves left", 0.5, "action"),)),), **about),
        "Localization": Localization(located=(LocatedSpan(0.0, 1.0, "speech", 0.5, "speech"),), **about),
        "Mix": tracks.Mix((sound, sound), (1.0, 0.5)), "Faces": Faces([track], 0.0, 3, [track]),
        "TrackGiven": TrackGiven([[0, 0, 20, 20]]), "Clips": clips,
        "Features": Features(torch.zeros(1, 8, 4), (2, 2, 2), torch.zeros(1, 4)),
        "Cues": Cues(torch.zeros(1, 1, 3, 96, 96, dtype=torch.uint8), torch.ones(1, 1, 3, dtype=torch.bool)),
        "Size": Size(3, 4), "GenerationOptions": GenerationOptions(),
        "Video": read_video(CLIP, end_seconds=0.3), "Audio": read_audio(CLIP),
        "MediaInfo": probe(CLIP), "Recipe": recipes.load_recipe("video-qa"),
        "JobSummary": JobSummary(Path("job"), {"done": 1}, 0.1, 1, 0),
    }


EXAMPLES = _examples()


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_copy_is_the_same(name: str, how: str) -> None:
    given = EXAMPLES[name]
    made = COPIES[how](given)
    assert made is not given
    assert same(made, given)
    assert repr(made) == repr(given) or " at 0x" in repr(given)
    if isinstance(given, results.Result):
        assert str(made) == str(given)
        assert made.to_dict() == given.to_dict()


def test_every_public_kind_is_among_the_examples() -> None:
    seen: set[str] = set()

    def note(value: Any) -> None:
        if dataclasses.is_dataclass(value):
            seen.add(type(value).__name__)
            for field in dataclasses.fields(value):
                note(getattr(value, field.name))
        elif isinstance(value, list | tuple):
            for item in value:
                note(item)

    for value in EXAMPLES.values():
        note(value)
    kinds = {name for module in (results, types, tracks, result) for name in module.__all__
             if isinstance(getattr(module, name), type) and dataclasses.is_dataclass(getattr(module, name))}
    assert kinds - {"Result", "Generation", "VoiceTracks"} <= seen


def test_what_pipelines_return_is_the_same_afterwards(tmp_path: Path) -> None:
    for given in (Pipeline("video-classification", device="cpu")(CLIP),
                  Pipeline("video-qa", model="toybox-qa", device="cpu")(read_video(CLIP), "what happens next?")):
        for how, again in COPIES.items():
            made = again(given)
            assert same(made, given), how
        assert made.save(tmp_path / "picture.png").stat().st_size > 1000


def test_an_empty_and_a_closed_spool_can_be_copied() -> None:
    empty, closed = Spool((2,), np.int16), _spool()
    closed.close()
    for spool in (empty, closed):
        made = copy.deepcopy(spool)
        assert len(made) == 0
        made.append(np.ones((1, *made.shape), made.dtype))
        assert len(made) == 1
    assert len(empty) == 0


def test_copies_that_share_a_sound_share_it_afterwards() -> None:
    made = copy.deepcopy(EXAMPLES["SeparatedVoices"])
    assert made.tracks[0].sound.spool is made.mixture.spool
    assert made.mixture.spool is not EXAMPLES["SeparatedVoices"].mixture.spool
