"""What a server is shown of a video: frames as JPEG images with their times, or as a video, and the sound."""

from __future__ import annotations

import base64
import io
import wave
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

QUALITY = 90
"""Of JPEG images."""
SOUND = "audio"
"""Name of the optional part of a request that holds the sound."""


@dataclass(frozen=True)
class RemoteView:
    """What is sent about one video; made where it is decoded, so that the rest is only words."""

    images: tuple[bytes, ...] = field(repr=False)
    """JPEG files, one a frame; empty where `video` is set."""
    seconds: tuple[float, ...]
    """When each frame is shown, on the clock of the file."""
    duration_seconds: float
    """Of what was looked at."""
    video: bytes | None = field(default=None, repr=False)
    """An mp4 of the frames."""
    sound: bytes | None = field(default=None, repr=False)
    """A WAV file, mono, 16 bits."""
    bucket: tuple[str] = ("server",)
    """Clips of any shape are asked about together."""

    def parts(self) -> list[dict[str, Any]]:
        """Return the content of a message about it, without the sound and the question."""
        times = ", ".join(f"{at:.2f}" for at in self.seconds)
        if self.video is not None:
            return [{"type": "video_url", "video_url": {"url": _url("video/mp4", self.video)}},
                    _text(f"The video holds {len(self.seconds)} frames of a clip of {self.duration_seconds:.2f} s, "
                          f"shown at {times} s.")]
        found = [_text(f"{len(self.images)} frames of a video of {self.duration_seconds:.2f} s, each behind its time:")]
        for at, image in zip(self.seconds, self.images, strict=True):
            found += [_text(f"{at:.2f} s"), {"type": "image_url", "image_url": {"url": _url("image/jpeg", image)}}]
        return found

    def sound_part(self) -> dict[str, Any] | None:
        """Return the part of a message with the sound; None where there is none."""
        if self.sound is None:
            return None
        return {"type": "input_audio", "input_audio": {"data": base64.b64encode(self.sound).decode(), "format": "wav"}}


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def jpeg(frame: Tensor) -> bytes:
    """Return a frame, uint8 (3, H, W), as a JPEG file."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy()).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def wav(samples: Tensor, sample_rate: int) -> bytes:
    """Return sound, float (N,) in [-1, 1], as a WAV file of 16 bits."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes((samples.clamp(-1, 1) * 32767).round().short().numpy().tobytes())
    return out.getvalue()


__all__ = ["QUALITY", "SOUND", "RemoteView", "jpeg", "wav"]
