"""`mmvideo separate --live`: the voices of a camera, or of a file played in real time, while it goes on."""

from __future__ import annotations

import json as json_module
import time
import wave
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from mmvideo.cli.common import note
from mmvideo.errors import InvalidInput, NoAudioTrack, NoVideoTrack

_HEARD = 1e-4
"""Mean square above which a voice counts as heard in the line of a piece."""


class _Sounds:
    """WAV files that grow: mixture, off-screen, and one a person from the moment of the first piece."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._open: dict[str, wave.Wave_write] = {}
        self._frames = 0

    def write(self, sounds: dict[str, np.ndarray], count: int) -> None:
        """Append `count` samples to every file, silence to those that are not named; a new one begins with silence."""
        for name in sounds:
            if name not in self._open:
                made = wave.open(str(self.folder / f"{name}.wav"), "wb")  # noqa: SIM115
                made.setnchannels(1)
                made.setsampwidth(2)
                made.setframerate(16000)
                self._open[name] = made
                for at in range(0, self._frames, 160_000):
                    made.writeframes(bytes(2 * min(160_000, self._frames - at)))
        for name, made in self._open.items():
            samples = sounds.get(name, np.zeros(count, np.float32))
            made.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        self._frames += count

    def close(self) -> None:
        for made in self._open.values():
            made.close()


def separate_live(source: str, out: Path, *, weights: str, device: str = "cpu", microphone: str | None = None,
                  seconds: float | None = None, realtime: bool = True, as_json: bool = False) -> dict[str, Any]:
    """Separate while the source goes on; Ctrl-C ends it.

    Args:
        source: a file, or the number of a camera.
        out: folder for mixture.wav, off-screen.wav, person-N.wav and live.json.
        weights: a model with the part "faces".
        device: to compute on.
        microphone: beside a camera; the default one by default.
        seconds: stop after so long.
        realtime: play a file at its own speed; False takes it as fast as it goes.
        as_json: print a line of JSON a piece instead of words.

    Returns:
        What live.json holds: seconds, people, latency by design, delay by the wall clock, share of the time computed.
    """
    from mmvideo.stages.separate_live import LiveSeparator

    live = LiveSeparator(weights=weights, device=device)
    note(live.about)
    began, work, delays, given = None, 0.0, [], 0.0
    with ExitStack() as stack:
        rows = _rows(source, microphone, stack)
        files = _Sounds(out)
        stack.callback(files.close)

        def take(piece: Any) -> None:
            nonlocal given
            delays.append(time.monotonic() - began - piece.start_seconds if began is not None else 0.0)
            del delays[:-1000]
            files.write({"mixture": piece.mixture, "off-screen": piece.off_screen,
                         **{f"person-{who}": voice for who, voice in piece.voices.items()}}, len(piece.mixture))
            given += len(piece.mixture) / 16000
            _tell(piece, delays[-1], as_json=as_json)

        try:
            for number, (picture, samples) in enumerate(rows):
                began = time.monotonic() if began is None else began
                due = began + (number + 1) * 0.04
                if realtime and not source.isdigit() and time.monotonic() < due:
                    time.sleep(due - time.monotonic())
                if seconds is not None and number * 0.04 >= seconds:
                    break
                at = time.monotonic()
                for piece in live.push(picture, samples):
                    take(piece)
                work += time.monotonic() - at
        except KeyboardInterrupt:
            note("stopped")
        for piece in live.finish():
            take(piece)
    told = {"source": source, "seconds": round(given, 2), "people": live.faces.count, "about": live.about,
            "latency_seconds": round(live.latency_seconds, 3), "real_time_factor": round(work / max(given, 1e-6), 3),
            "delay_seconds": {"median": round(float(np.median(delays or [0])), 3),
                              "largest": round(float(np.max(delays or [0])), 3)} if realtime else None}
    (out / "live.json").write_text(json_module.dumps(told, indent=1) + "\n")
    return told


def _tell(piece: Any, delay: float, *, as_json: bool) -> None:
    import typer

    heard = [who for who, voice in piece.voices.items() if float(np.square(voice).mean()) > _HEARD]
    if as_json:
        typer.echo(json_module.dumps({"start_seconds": round(piece.start_seconds, 2), "heard": heard,
                                      "seen": sorted(piece.voices), "delay_seconds": round(delay, 3)}))
    else:
        who = ", ".join(f"person {n}" for n in heard) or "nobody who is seen"
        typer.echo(f"{piece.start_seconds:7.2f} s  {who} (delay {delay:.2f} s)")


def _rows(source: str, microphone: str | None, stack: ExitStack) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from mmvideo.media import open_source
    from mmvideo.media.microphone import Microphone, recorded_rows
    from mmvideo.stages.separate_live import live_rows

    media = stack.enter_context(open_source(int(source) if source.isdigit() else source))
    if source.isdigit():
        heard = Microphone(microphone)
        stack.callback(heard.close)
        return recorded_rows(media, heard)
    if microphone is not None:
        raise InvalidInput("--microphone goes with the number of a camera; a file has its own sound.")
    if media.info.main_video is None:
        raise NoVideoTrack(f"{source} has no picture, so no face can be followed.")
    if not media.has_audio:
        raise NoAudioTrack(f"{source} has no sound track, so there are no voices to separate; give a clip with sound.")
    return live_rows(media)


__all__ = ["separate_live"]
