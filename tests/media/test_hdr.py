"""HDR and wide colour: the curves are those of the recommendations, and pixels follow them, however they are read."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from reference import full_decode

from mmvideo.errors import InvalidInput
from mmvideo.media import hdr, open_source, probe, read_video
from mmvideo.media.convert import Converter
from mmvideo.media.hdr import BT709, BT2020, HLG, P3, PQ, Colour

HEIGHT, WIDTH, PATCHES = 64, 256, 8
SDR_BT2020 = 14


def codes_of(rgb: np.ndarray, depth: int = 10, *, full: bool = False) -> np.ndarray:
    """Return the Y'CbCr codes (N, 3) of R'G'B' (N, 3) in BT.2020, non-constant luminance (BT.2020 table 4, 5)."""
    r, g, b = rgb.T
    y = 0.2627 * r + 0.6780 * g + 0.0593 * b
    low, luma, chroma = (0, 2**depth - 1, 2**depth - 1) if full else (x << (depth - 8) for x in (16, 219, 224))
    middle = 1 << (depth - 1)
    return np.round(np.stack([low + luma * y, middle + chroma * (b - y) / 1.8814,
                              middle + chroma * (r - y) / 1.4746], 1)).astype(int)


def signal_of(codes: np.ndarray) -> np.ndarray:
    """Return R'G'B' of 10-bit codes of limited range."""
    y, cb, cr = (codes[:, 0] - 64) / 876, (codes[:, 1] - 512) / 896, (codes[:, 2] - 512) / 896
    r, b = y + 1.4746 * cr, y + 1.8814 * cb
    return np.stack([r, (y - 0.2627 * r - 0.0593 * b) / 0.6780, b], 1).clip(0, 1)


def write(path: Path, codes: np.ndarray, *, transfer: int = PQ, primaries: int = BT2020, count: int = 30) -> Path:
    """Write patches of exact 10-bit codes, eight a frame and others in every frame."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx265", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p10le", 10
        stream.options = {"x265-params": f"lossless=1:log-level=none:keyint=10:bframes={3 if count > 9 else 0}"}
        for number in range(count):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p10le")
            for plane, values in zip(frame.planes, shown(codes, number).T, strict=True):
                row = values.repeat(plane.width // PATCHES).astype("<u2")
                padded = np.zeros((plane.height, plane.line_size // 2), "<u2")
                padded[:, :plane.width] = row
                plane.update(padded.tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 25)
            for item in (frame, stream.codec_context):
                item.color_trc, item.color_primaries, item.colorspace, item.color_range = transfer, primaries, 9, 1
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def shown(codes: np.ndarray, number: int) -> np.ndarray:
    return codes[(number * PATCHES + np.arange(PATCHES)) % len(codes)]


def centres(frames: torch.Tensor) -> np.ndarray:
    """Return the colour of each patch, (T, 8, 3)."""
    step = frames.shape[-1] // PATCHES
    return frames[:, :, frames.shape[2] // 2, step // 2::step].permute(0, 2, 1).numpy().astype(int)


def mapped(signal: np.ndarray, transfer: int, primaries: int = BT2020) -> np.ndarray:
    """Map R'G'B' (N, 3) pixel by pixel, by the formulas alone."""
    out = []
    for pixel in signal:
        if transfer == PQ:
            light = hdr.pq_eotf(pixel) / 203
        elif transfer == HLG:
            scene = hdr.hlg_inverse_oetf(pixel)
            light = 1000 * (scene @ (0.2627, 0.6780, 0.0593)) ** 0.2 * scene / 203
        else:
            light = pixel ** 2.4
        light = np.maximum(hdr.to_bt709(primaries) @ light, 0)
        most = light.max()
        if transfer in (PQ, HLG) and most > 0:
            light = light * float(hdr.eetf(np.array(most * 203))) / 203 / most
        out.append(255 * np.minimum(light, 1) ** (1 / 2.4))
    return np.array(out)


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    """Random colours of all lightnesses, and greys."""
    some = np.random.default_rng(0).random((96, 3)) * np.linspace(0.1, 1, 96)[:, None]
    return codes_of(np.concatenate([some, np.linspace(0, 1, 24)[:, None].repeat(3, 1)]))


def test_curves_are_those_of_the_recommendations():
    # SMPTE ST 2084; BT.2408 table 1: grey card 26 cd/m2 at 38 %, 83 % white 162 at 56 %, reference white 203 at 58 %
    assert np.allclose(hdr.pq_eotf(np.array([0, 0.5, 0.75, 1])), [0, 92.2457, 983.38, 10000], rtol=1e-4)
    assert np.allclose(hdr.pq_inverse_eotf(np.array([26, 162, 203, 1000])), [0.38, 0.56, 0.58, 0.7518], atol=6e-3)
    nits = np.linspace(0.01, 10000, 50)
    assert np.allclose(hdr.pq_eotf(hdr.pq_inverse_eotf(nits)), nits)
    # BT.2100 table 5; BT.2408: the same lights at 38, 71 and 75 % of HLG
    assert np.allclose(hdr.hlg_inverse_oetf(np.array([0, 0.5, 1])), [0, 1 / 12, 1])
    assert np.allclose(1000 * hdr.hlg_inverse_oetf(np.array([0.38, 0.71, 0.75])) ** 1.2, [26, 162, 203], rtol=0.03)
    # BT.2407, 2.1, with four decimals
    assert np.allclose(hdr.to_bt709(BT2020), [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083],
                                              [-0.0182, -0.1006, 1.1187]], atol=6e-5)
    assert np.allclose(hdr.to_bt709(BT709), np.eye(3))
    assert np.allclose(hdr.to_bt709(P3).sum(1), 1)


def test_the_spline_of_bt2390():
    # by hand, annex 5: PQ(203) / PQ(1000) = 0.77237, knee = 1.5 * 0.77237 - 0.5 = 0.65855, so 0.49512 in PQ: 87.8
    assert np.allclose(hdr.eetf(np.array([0.1, 10, 50, 87.8])), [0.1, 10, 50, 87.8], rtol=1e-6)
    # at 203: T = (0.77237 - 0.65855) / 0.34145 = 0.33333, P = 0.73876, times PQ(1000): 0.55542, so 159.0 cd/m2
    assert np.allclose(hdr.eetf(np.array([203, 1000, 4000])), [159.04, 203, 203], rtol=1e-3)
    rising = hdr.eetf(np.linspace(0, 1000, 2000))
    assert (np.diff(rising) > 0).all()
    knee = hdr.eetf(np.array([87.0, 88.0, 89.0, 90.0]))
    assert np.allclose(np.diff(knee), 1, atol=0.02)  # no corner


@pytest.mark.parametrize("transfer", [PQ, HLG, 1])
@pytest.mark.parametrize("primaries", [BT2020, P3, BT709])
@pytest.mark.parametrize("full", [65535, 65283])
def test_tables_agree_with_the_formulas(transfer, primaries, full):
    rng = np.random.default_rng(1)
    pixels = (rng.integers(0, 65536, (40, 60, 3)) * rng.random((40, 60, 1)) ** 2).astype(np.uint16)
    pixels[0], pixels[1] = 0, full
    got = hdr.tone_mapped(pixels, Colour(transfer, primaries), full)
    want = mapped(np.minimum(pixels.reshape(-1, 3) / full, 1), transfer, primaries).reshape(pixels.shape)
    assert got.dtype == np.uint8
    assert np.abs(got - want).max() < 0.56


def test_reference_white_grey_card_and_colours_by_hand(tmp_path):
    """BT.2408's levels: 203 cd/m2 becomes 159.04 / 203 of white, 26 cd/m2 stays; both to the power of 1 / 2.4."""
    white, card = 255 * (159.04 / 203) ** (1 / 2.4), 255 * (26 / 203) ** (1 / 2.4)
    assert (round(white), round(card)) == (230, 108)
    red = (0.5807, 0.0, 0.0)  # 203 cd/m2 of BT.2020 red is redder than BT.709 can show: 1.6605 of its light, then 1
    pq = codes_of(np.array([[0.5807] * 3, [0.3786] * 3, [0] * 3, [1] * 3, [0.7518] * 3, red, [0.3] * 3, [0.2] * 3]))
    got = centres(read_video(write(tmp_path / "pq.mkv", pq, count=2)).frames)[0]
    assert np.abs(got[:5] - np.array([white, card, 0, 255, 255])[:, None]).max() <= 1
    peak = 255 * (hdr.eetf(np.array(203 * 1.6605)) / 203) ** (1 / 2.4)
    assert np.abs(got[5] - np.array([peak, 0, 0])).max() <= 1
    hlg = codes_of(np.array([[0.75] * 3, [0.378] * 3, [0] * 3, [1] * 3] * 2))
    got = centres(read_video(write(tmp_path / "hlg.mkv", hlg, transfer=HLG, count=2)).frames)[0]
    assert np.abs(got[:4] - np.array([white, card, 0, 255])[:, None]).max() <= 2


@pytest.mark.parametrize("transfer", [PQ, HLG, SDR_BT2020])
def test_every_pixel_of_a_file(transfer, colours, tmp_path):
    path = write(tmp_path / "a.mkv", colours, transfer=transfer)
    video = read_video(path)
    for number, got in enumerate(centres(video.frames)):
        assert np.abs(got - mapped(signal_of(shown(colours, number)), transfer)).max() < 1.6, number
    kept = read_video(path, hdr="keep")
    frames, _ = full_decode(str(path))
    assert torch.equal(kept.frames, torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)), "as it was"
    assert (kept.frames.float() - video.frames.float()).abs().mean() > 5


@pytest.mark.parametrize("options", [{}, {"size": 48}, {"size": (40, 96), "fit": "pad"}, {"size": (4, 200)}])
def test_sparse_and_streamed_reading_give_the_same_pixels(options, colours, tmp_path):
    for name in ("a.mkv", "a.mp4", "a.ts"):
        path = write(tmp_path / name, colours)
        with open_source(path) as source:
            whole = torch.cat([piece.frames for piece in source.stream(batch=7, **options)])
            times = read_video(path).pts_seconds
            rows = [3, 27, 11, 0, 29, 14]
            assert torch.equal(source.frames_at(times[rows], **options).frames, whole[rows])
            later = torch.cat([piece.frames for piece in source.stream(start_seconds=float(times[15]), **options)])
            assert torch.equal(later, whole[15:])


def test_what_is_said_about_it(colours, tmp_path):
    for transfer, kind, words in ((PQ, "PQ", "HDR picture (PQ)"), (HLG, "HLG", "HDR picture (HLG)"),
                                  (SDR_BT2020, "BT.2020", "wide colour")):
        path = write(tmp_path / "a.mkv", colours, transfer=transfer, count=2)
        info = probe(path)
        assert info.main_video.hdr == kind
        assert kind in str(info).splitlines()[1]
        assert any(words in warning and "mapped to BT.709 SDR" in warning for warning in info.warnings)
        assert any("looks grey" in warning for warning in read_video(path, hdr="keep").warnings)
    plain = probe(write(tmp_path / "b.mkv", colours, transfer=1, primaries=BT709, count=2))
    assert plain.main_video.hdr is None
    assert not plain.warnings
    for value in ("no", None, True, 1):
        with pytest.raises(InvalidInput, match="hdr must be one of tonemap, keep"):
            open_source(path, hdr=value)


def test_plain_sdr_is_not_touched(odd):
    for name in ("ten-bit.mp4", "mute.mp4"):
        assert torch.equal(read_video(odd(name)).frames, read_video(odd(name), hdr="keep").frames)


@pytest.mark.parametrize("kind", ["yuv420p10le", "yuv422p10le", "yuv444p12le", "p010le", "gbrp10le", "gbrp12le"])
@pytest.mark.parametrize("full", [False, True])
def test_depths_ranges_and_layouts_mean_the_same(kind, full):
    """One picture in other formats: swscale's scale of 16-bit RGB differs between them, and is taken out."""
    signal = np.array([0.5807, 0.4, 0.2])
    frame = av.VideoFrame(WIDTH, HEIGHT, kind)
    depth = frame.format.components[0].bits
    values = codes_of(signal[None], depth, full=full)[0]
    if frame.format.is_rgb:  # planes are green, blue, red
        values = np.round(signal[[1, 2, 0]] * (2**depth - 1)).astype(int)
    for place, plane in enumerate(frame.planes):
        data = values[place:place + 1] if kind != "p010le" else values[:1] << 6 if place == 0 else values[1:] << 6
        plane.update(np.tile(data.astype("<u2"), plane.buffer_size // 2 // len(data)).tobytes())
    frame.color_trc, frame.color_primaries = PQ, BT2020
    frame.color_range = 2 if full else 1
    frame.colorspace = 0 if frame.format.is_rgb else 9
    for size in (None, (32, 32)):
        got = Converter(size=size).array(frame)[5, 5].astype(int)
        assert np.abs(got - mapped(signal[None], PQ)[0]).max() < 2.5, size


def test_unknown_primaries_are_those_of_bt2100():
    frame = av.VideoFrame(16, 16, "yuv420p10le")
    frame.color_trc, frame.color_primaries = PQ, 2
    assert Colour.of(frame) == Colour(PQ, BT2020)
    frame.color_trc = 1
    assert Colour.of(frame) is None


def test_fields_are_taken_apart_before_the_curve(tmp_path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("prores_ks", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv422p10le"
        stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct
        for number in range(2):
            frame = av.VideoFrame(64, 48, "yuv422p10le")
            for plane in frame.planes:
                rows = np.full((plane.height, plane.line_size // 2), 512, "<u2")
                rows[1::2] = 600 + 20 * number
                plane.update(rows.tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 25)
            for item in (frame, stream.codec_context):
                item.color_trc, item.color_primaries, item.colorspace, item.color_range = PQ, BT2020, 9, 1
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    grey = mapped(signal_of(np.array([[512, 512, 512]])), PQ)[0]
    single = read_video(path, deinterlace=True).frames[0, :, 8:-8]
    assert (single.permute(1, 2, 0).double() - torch.from_numpy(grey)).abs().max() < 3
    assert (read_video(path).frames[0, 0].float().diff(dim=0).abs().max()) > 20


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg")
@pytest.mark.parametrize(("transfer", "name", "most"), [(PQ, "smpte2084", 0.42), (SDR_BT2020, "2020_10", 1.0),
                                                        (HLG, "arib-std-b67", 0.55)])
def test_zscale_agrees_below_the_knee(transfer, name, most, tmp_path):
    """zimg does the same without the spline; for HLG only in greys, since its OOTF is for each colour alone."""
    filters = subprocess.run(["ffmpeg", "-hide_banner", "-filters"], capture_output=True, text=True, check=True).stdout
    if " zscale " not in filters:
        pytest.skip("this ffmpeg has no zscale")
    signal = np.random.default_rng(3).random((80, 3)) * most
    if transfer == HLG:
        signal = signal[:, :1].repeat(3, 1)
    path = write(tmp_path / "a.mkv", codes_of(signal), transfer=transfer, count=10)
    chain = (f"zscale=tin={name}:pin=bt2020:min=bt2020nc:rin=limited:t=bt709:p=bt709:m=gbr:r=full:npl=203,format=gbrp,"
             "format=rgb24")
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-vf", chain, "-f", "rawvideo", "-"],
                         capture_output=True, check=True).stdout
    want = torch.from_numpy(np.frombuffer(raw, np.uint8).reshape(-1, HEIGHT, WIDTH, 3).copy()).permute(0, 3, 1, 2)
    assert np.abs(centres(read_video(path).frames) - centres(want)).max() <= 1


@pytest.mark.shared
def test_a_real_file(shared):
    path = shared / "media" / "edge" / "nasa_13013_hdr.mp4"
    video, kept = read_video(path, end_seconds=4.0), read_video(path, end_seconds=4.0, hdr="keep")
    assert not torch.equal(video.frames, kept.frames)
    with open_source(path) as source:
        some = source.frames_at([3.5, 1.2, 2.04])
        assert torch.equal(some.frames, video.frames[[87, 30, 51]])
    raw = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in (30, 51, 87):
                raw.append(frame.reformat(format="rgb48le").to_ndarray())
            if number == 87:
                break
    for got, pixels in zip(video.frames[[30, 51, 87]], raw, strict=True):
        want = mapped(np.minimum(pixels[::9, ::9].reshape(-1, 3) / 65283, 1), PQ)
        assert np.abs(got[:, ::9, ::9].permute(1, 2, 0).reshape(-1, 3).numpy() - want).max() < 0.6
