"""Flow by OpenCV, on the CPU: Farneback, DIS, and TV-L1 where the contrib modules are present."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput, MissingExtra, translated
from mmvideo.flow.base import FlowMethod


class _OnGrey(FlowMethod):
    """Reads pairs of grey pictures."""

    def compute(self, frames: Tensor) -> Tensor:
        import cv2

        if frames.is_floating_point():
            frames = (frames * 255).round().clamp(0, 255).to(torch.uint8)
        pictures = frames.permute(0, 1, 3, 4, 2).contiguous().cpu().numpy()
        flows = np.empty((len(pictures), pictures.shape[1] - 1, *pictures.shape[2:4], 2), np.float32)
        about = f"frames of {pictures.shape[3]}x{pictures.shape[2]} pixels"
        for clip, out in zip(pictures, flows, strict=True):
            with translated("OpenCV", type(self).__name__, about):
                grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in clip]
                for t in range(len(grey) - 1):
                    check()
                    out[t] = self.pair(grey[t], grey[t + 1])
        return torch.from_numpy(flows).permute(0, 1, 4, 2, 3).contiguous().to(frames.device)

    def pair(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return float32 (H, W, 2) of two uint8 (H, W)."""
        raise NotImplementedError


class Farneback(_OnGrey):
    """Polynomial expansion of neighbourhoods (Farneback 2003, Two-frame motion estimation).

    Args:
        levels: of the pyramid, each half the size of the one before.
        window: side in pixels over which displacements are averaged; larger is smoother.
        iterations: at each level.
        neighbourhood: side in pixels of the polynomials, 5 or 7.
    """

    def __init__(self, *, levels: int = 4, window: int = 15, iterations: int = 3, neighbourhood: int = 7):
        self.levels, self.window, self.iterations, self.neighbourhood = levels, window, iterations, neighbourhood

    def pair(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        import cv2

        sigma = 1.1 if self.neighbourhood == 5 else 1.5  # what OpenCV's manual gives for each neighbourhood
        return cv2.calcOpticalFlowFarneback(  # type: ignore[call-overload]  # None: OpenCV makes the result
            first, second, None, 0.5, self.levels, self.window, self.iterations, self.neighbourhood, sigma, 0)


class DIS(_OnGrey):
    """Dense inverse search (Kroeger et al. 2016, https://arxiv.org/abs/1603.03590).

    Args:
        speed: "ultrafast", "fast" or "medium", OpenCV's settings.

    Raises:
        InvalidInput: no such speed.
    """

    SPEEDS: ClassVar = ("ultrafast", "fast", "medium")

    def __init__(self, *, speed: str = "medium"):
        if speed not in self.SPEEDS:
            raise InvalidInput(f"DIS runs {', '.join(self.SPEEDS)}, not {speed!r}.")
        self.speed = speed

    def compute(self, frames: Tensor) -> Tensor:
        import cv2

        # Made for each call: OpenCV's object holds buffers and can be neither copied nor pickled.
        self._search = cv2.DISOpticalFlow.create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{self.speed.upper()}"))
        try:
            return super().compute(frames)
        finally:
            del self._search

    def pair(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return self._search.calc(first, second, None)  # type: ignore[call-overload]  # None: OpenCV makes the result


class TVL1(_OnGrey):
    """Total variation and the L1 norm (Zach et al. 2007), the flow of the two-stream networks after 2014.

    Args:
        options: as OpenCV's `cv2.optflow.DualTVL1OpticalFlow_create`.

    Raises:
        MissingExtra: OpenCV was installed without its contrib modules.
    """

    def __init__(self, **options: Any):
        import cv2

        if not hasattr(cv2, "optflow"):
            raise MissingExtra("opencv-contrib-python-headless", "tvl1", "TV-L1 optical flow")
        self.options = options

    def pair(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        import cv2

        contributed: Any = cv2  # only opencv-contrib has optflow
        return contributed.optflow.DualTVL1OpticalFlow_create(**self.options).calc(first, second, None)
