"""Pictures of one pixel's height or width are scaled like any other, within memory of their size."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import HEIGHT, WIDTH, pictures, write
from PIL import Image

from mmvideo.errors import InvalidInput
from mmvideo.faces.find import FaceFinder, _size
from mmvideo.media import convert, open_source, read_video
from mmvideo.sampling import dense, uniform

SIDES = [(1, 1), (1, 2), (1, 300), (1, 4000), (1, 30000), (1, 65535), (3, 7000), (2, 2000), (16, 4000)]
SHAPES = SIDES + [(width, height) for height, width in SIDES[1:]]


def picture(height: int, width: int) -> np.ndarray:
    """A ramp along the longer side, from 0 to 255, the same in each colour."""
    ramp = np.linspace(0, 255, max(height, width)).round().astype(np.uint8)
    grey = ramp[None].repeat(height, 0) if width >= height else ramp[:, None].repeat(width, 1)
    return grey[..., None].repeat(3, 2)


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png", optimize=True)
    return out.getvalue()


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_every_fit_of_a_thin_picture(shape):
    pixels = picture(*shape)
    long = 2 if shape[1] >= shape[0] else 1  # dimension of (C, H, W) along which the picture changes
    for source, options in ((pixels[None], {"fps": 5}), (png(pixels), {})):
        assert np.array_equal(read_video(source, **options).frames[0].permute(1, 2, 0).numpy(), pixels)
        for size in (224, (1, 224), (224, 1), (64, 1000)):
            rows, columns = (size, size) if isinstance(size, int) else size
            for fit in convert.FITS:
                frame = read_video(source, size=size, fit=fit, **options).frames[0].float()
                assert frame.shape == (3, rows, columns)
                if fit == "squash" and max(shape) > 4:
                    means = frame.mean((0, 3 - long))
                    want = (torch.arange(len(means)) + 0.5) / len(means) * 255
                    assert (means - want).abs().max() < 255 / len(means) + 3
                if fit == "crop" and max(shape) >= 300 and min(shape) == 1 and size == 224:
                    assert (frame - 127.5).abs().max() < 3, "the middle pixel fills the square"
                if fit == "pad" and max(shape) >= 300 and size == 224:
                    lit = frame.amax((0, long)) > 0
                    assert 1 <= int(lit.sum()) <= 4, "a line in the middle"
                    assert 108 <= int(lit.nonzero()[0]) <= 112


def test_cutting_first_shows_what_scaling_first_shows(monkeypatch):
    frames = np.stack(pictures(2, 64, 640))
    for size in ((32, 32), (64, 64), (40, 50)):
        usual = read_video(frames, fps=5, size=size).frames.float()
        with monkeypatch.context() as patch:
            patch.setattr(convert, "MAX_WASTE", 0)
            cut_first = read_video(frames, fps=5, size=size).frames.float()
        assert (usual - cut_first).abs().mean() < 6, size
        assert (usual - cut_first.roll(2, -1)).abs().mean() > 12, size


def test_sparse_and_dense_reading_agree(tmp_path):
    path = tmp_path / "a.gif"
    images = [Image.fromarray(np.roll(picture(1, 3000), 500 * number, 1)) for number in range(6)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    whole = read_video(path, size=64)
    with open_source(path) as source:
        assert torch.equal(source.frames_at([0.45, 0.0], size=64).frames, whole.frames[[4, 0]])


def test_faces_are_looked_for_in_upright_frames(tmp_path):
    film = write(tmp_path / "a.mp4", ticks=[0, 1], rotation=90)
    with open_source(film) as source:
        main = source.info.main_video
        assert main.upright == tuple(source.frames_at([0.0]).frames.shape[2:]) == (WIDTH, HEIGHT)
        large = replace(source.info, video=(replace(main, width=3840, height=2160),))
        source.info = large
        assert _size(source) == (1920, 1080)


def test_samplers_and_faces_take_thin_pictures():
    for shape in ((1, 4000), (4000, 1)):
        frames = np.stack([picture(*shape)] * 4)
        with open_source(frames, fps=5) as source:
            assert uniform(source, num_frames=2, size=224).frames.shape == (1, 2, 3, 224, 224)
            with pytest.raises(InvalidInput, match="too thin for three crops"):
                dense(source, num_clips=1, num_frames=2, crops=3, size=224)
            assert FaceFinder()(source).tracks == []
