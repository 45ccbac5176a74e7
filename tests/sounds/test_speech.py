"""Whether someone speaks: the released network, real speech, sounds that are none, and odd inputs."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

from mmvideo.errors import WeightsError
from mmvideo.media import read_audio
from mmvideo.sounds import speech
from mmvideo.sounds.speech import SpeechFinder, SpeechNetwork, speech_network, speech_spans, speech_spans_of
from mmvideo.types import Audio


def test_it_is_the_released_network() -> None:
    """The release's own module, with its weights put into ours, frame after frame."""
    released = torch.jit.load(Path(find_spec("silero_vad").origin).parent / "data" / "silero_vad.jit")
    given = {name.removeprefix("_model."): value for name, value in released.state_dict().items()}
    named = {"stft_conv.weight": "stft.forward_basis_buffer", "final_conv.weight": "decoder.decoder.2.weight",
             "final_conv.bias": "decoder.decoder.2.bias"}
    named |= {f"conv{i + 1}.{kind}": f"encoder.{i}.reparam_conv.{kind}"
              for i in range(4) for kind in ("weight", "bias")}
    named |= {f"lstm.{kind}_l0": f"decoder.rnn.{kind}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    network = SpeechNetwork().eval()
    network.load_state_dict({mine: given[theirs] for mine, theirs in named.items()})
    sound = torch.randn(1, 64 * 512) * torch.linspace(0, 0.3, 64 * 512)
    frames = torch.cat((torch.zeros(64), sound[0])).unfold(0, 576, 512)
    with torch.inference_mode():
        ours, _ = network(frames, (torch.zeros(1, 1, 128), torch.zeros(1, 1, 128)))
        theirs = torch.cat([released(part, 16000)[0] for part in sound.split(512, 1)])
    assert len(ours) == 64
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_weights_are_read_without_running_the_package() -> None:
    code = ("import sys, torch; torch.set_num_threads(2); from mmvideo.sounds.speech import speech_network; "
            "speech_network(); assert 'silero_vad' not in sys.modules; assert torch.get_num_threads() == 2")
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_what_to_do_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "find_spec", lambda name: None)
    speech_network.cache_clear()
    with pytest.raises(WeightsError, match="pip install 'silero-vad"):
        speech_network()
    monkeypatch.undo()
    assert speech_network() is speech_network()


@pytest.mark.parametrize("sound", [
    torch.zeros(1, 0), torch.zeros(1, 1), torch.zeros(2, 16000), torch.randn(1, 40000) * 0.1,
    torch.sin(torch.arange(48000) / 8)[None], torch.full((1, 5000), float("nan"))],
    ids=["empty", "one sample", "silence", "noise", "tone", "not a number"])
@pytest.mark.parametrize("rate", [8000, 48000])
def test_no_speech_in_what_is_none(sound: torch.Tensor, rate: int) -> None:
    assert speech_spans(Audio(sound, rate)) == ()


@pytest.mark.shared
def test_a_speech_of_1961_at_any_rate_and_in_any_pieces(shared: Path) -> None:
    path = shared / "media" / "audio" / "jfk.flac"
    whole = read_audio(path)  # 44.1 kHz, stereo
    spans = speech_spans(whole)
    assert 3 <= len(spans) <= 6
    assert 0.2 < spans[0].start_seconds < 0.5
    assert 6 < sum(s.end_seconds - s.start_seconds for s in spans) < 10, "it has long pauses"
    assert all(s.text == "speech" and 0.5 < s.confidence <= 1 for s in spans)
    narrow = speech_spans(read_audio(path, sample_rate=8000, mono=True))
    assert abs(narrow[0].start_seconds - spans[0].start_seconds) < 0.1
    later = Audio(whole.samples, whole.sample_rate, start_seconds=100.0)
    assert [s.start_seconds - 100 for s in speech_spans(later)] == pytest.approx([s.start_seconds for s in spans])
    sound = read_audio(path, sample_rate=16000, mono=True)
    finder = SpeechFinder()
    for piece in sound.samples[0].split(1237):
        finder.hear(piece)
    assert finder.finish() == speech_spans(sound)
    assert speech_spans_of([sound, later])[0] == speech_spans(sound)


@pytest.mark.shared
def test_sounds_are_not_taken_for_speech(shared: Path) -> None:
    """Measured over 120 clips of ESC-10 and 160 of UrbanSound8K: 0.9 and 0.3 % of the time."""
    spoken = total = 0.0
    with ZipFile(shared / "data/sounds/urban.zip") as urban:
        for name in sorted(urban.namelist())[20::120]:
            if name.endswith(".opus"):
                sound = read_audio(urban.read(name), sample_rate=16000, mono=True)
                total += sound.duration_seconds
                spoken += sum(s.end_seconds - s.start_seconds for s in speech_spans(sound))
    assert total > 40
    assert spoken < 0.05 * total
