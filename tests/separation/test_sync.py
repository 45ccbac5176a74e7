"""How late the sound is against the mouths: found, corrected, refused or left, and told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput, SoundOutOfSync
from mmvideo.media import read_audio, read_video
from mmvideo.separation.sync import MAX_ROWS, LipSync, SyncCurve, lip_features, sound_features
from mmvideo.separation.training.sync import fit_lip_sync, learn_lip_sync
from mmvideo.separation.voices import SeparatedVoices
from mmvideo.stages.separate_sync import decide_sync, load_sync
from mmvideo.types import Audio
from mmvideo.weights import weights_root
from tests.separation.voices import talkers

CLIP = weights_root() / "demo" / "voices.mp4"
SECONDS = 5


def late_by(seconds: float) -> Audio:
    """Return the sound of the bundled clip, later than it was."""
    samples = read_audio(CLIP, sample_rate=16000, mono=True, end_seconds=float(SECONDS)).samples
    return Audio(torch.nn.functional.pad(samples, (round(seconds * 16000), 0))[:, :samples.shape[1]], 16000)


@pytest.fixture(scope="module")
def late() -> SeparatedVoices:
    """The bundled clip, its sound late by 0.4 s."""
    frames = read_video(CLIP, end_seconds=float(SECONDS)).frames
    return Pipeline("source-separation", device="cpu")(frames, fps=25, audio=late_by(0.4))


def test_late_sound_is_corrected_and_told(late: SeparatedVoices, tmp_path: Path) -> None:
    assert late.sync is not None
    assert late.sync.corrected
    assert abs(late.sync.offset_ms - 400) < 60
    assert "400 ms late" in late.sync.text or "ms late against the mouths" in str(late)
    assert any("corrected" in w for w in late.warnings)
    assert min(v.confidence for v in late.tracks) > 0.3
    told = json.loads(late.save(tmp_path / "a.json").read_text())["sync"]
    assert told["corrected"] is True
    assert told["offset_ms"] == late.sync.offset_ms
    assert "late" in late.plot()._suptitle.get_text()


def curve(offset: int, *, unrelated: bool = False) -> SyncCurve:
    """Return the curve of drawn mouths whose sound is late by so many rows."""
    rows, made = 200, SyncCurve()
    voices, cues = talkers(1, rows + 100, seed=3)
    said = talkers(1, rows + 100, seed=4)[0][0, 0] if unrelated else voices[0, 0]
    low = 50 - MAX_ROWS - offset
    made.add(load_sync("off").curve(cues.mouths[0, 0, 50:50 + rows].numpy(), np.ones(rows, bool),
                                    said[low * 640:(low + rows + 2 * MAX_ROWS) * 640].numpy()), rows)
    return made


@pytest.mark.parametrize("offset", [-10, 0, 10])
def test_an_offset_is_found_to_a_row(offset: int) -> None:
    found = curve(offset).estimate()
    assert abs(found.offset_ms / 40 - offset) <= 1.5
    assert found.confidence > 0.5


def test_what_is_done_about_it_is_chosen() -> None:
    late = curve(10)
    with pytest.raises(SoundOutOfSync, match=r"ms late against the mouths.*sync='off'"):
        decide_sync(late, "refuse")
    left, corrected = decide_sync(late, "off"), decide_sync(late, "correct")
    assert (left.corrected, corrected.corrected) == (False, True)
    assert left.trust < 0.4 < 0.8 < corrected.trust, "the confidence of voices falls when nothing is corrected"
    assert "left as it is" in left.text
    assert not decide_sync(curve(0), "refuse").late
    with pytest.raises(InvalidInput, match="sync must be"):
        load_sync("perhaps")


@pytest.mark.parametrize(("offset_ms", "corrected", "told"), [(10, False, False), (70, True, False), (-70, True, False),
                                                              (200, True, True)])
def test_small_offsets_are_corrected_without_a_warning(offset_ms: float, corrected: bool, told: bool) -> None:
    made = SyncCurve()
    made.add(np.exp(-np.square(np.arange(-MAX_ROWS, MAX_ROWS + 1) - offset_ms / 40) / 8), 250)
    found = decide_sync(made, "correct")
    assert abs(found.offset_ms - offset_ms) < 5
    assert (found.corrected, found.late) == (corrected, told)
    assert ("corrected" in found.text) is corrected
    assert ("in step" in found.text) is not told
    assert not decide_sync(made, "off").corrected


def test_sound_that_has_nothing_to_do_with_the_mouths_is_not_trusted() -> None:
    found = decide_sync(curve(0, unrelated=True), "correct")
    assert not found.corrected
    assert found.trust < 0.6
    assert SyncCurve().estimate().confidence == 0
    assert SyncCurve().in_step(0) == 1, "nothing was compared, so nothing speaks against it"


def test_features_have_no_gaps() -> None:
    voices, cues = talkers(1, 100)
    mouths, valid = cues.mouths[0, 0].numpy(), np.ones(100, bool)
    valid[40:50] = False
    mouths[40:50] = 0
    seen = lip_features(mouths, valid)
    assert np.isfinite(seen).all()
    assert np.abs(lip_features(np.full((60, 96, 96), 90, np.uint8), np.ones(60, bool))).max() < 1e-3
    doubled = lip_features(mouths[:40].repeat(2, 0), np.ones(80, bool))
    assert np.isfinite(doubled).all()
    assert np.isfinite(sound_features(np.zeros(64000, np.float32))).all()
    assert LipSync().curve(mouths, np.zeros(100, bool), voices[0, 0].numpy()) is None


def test_matrices_are_learned() -> None:
    """Two hidden causes that lips and sound share come back as two correlations near 1."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((2000, 2))
    lips = shared @ rng.standard_normal((2, 301)) + 0.1 * rng.standard_normal((2000, 301))
    sound = shared @ rng.standard_normal((2, 40)) + 0.1 * rng.standard_normal((2000, 40))
    strength = fit_lip_sync(lips, sound).strength
    assert strength[1] > 0.9 > 0.3 > strength[2]
    voices, cues = talkers(2, 120)
    people = [[(cues.mouths[i, 0].numpy(), voices[i, 0].numpy())] for i in range(2)]
    assert learn_lip_sync([people], count=6).strength[0] > 0.5
