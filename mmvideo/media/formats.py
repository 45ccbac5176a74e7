"""Formats that hold their media themselves, and the words for files of other formats.

FFmpeg also reads playlists (HLS, DASH, concat), session descriptions (SDP), numbered images and device names: a few
bytes that make it open other files or sockets. Every file is therefore opened with a list of allowed formats.
"""

from __future__ import annotations

import io
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from mmvideo.errors import BudgetExceeded

_VIDEO = """3gp apng asf av1 avi avs2 avs3 cavsvideo dhav dirac dnxhd dv evc flv gif gxf h261 h263 h264 hevc ivf
jpegxl_anim live_flv m4v matroska mjpeg mov mpeg mpegts mpegvideo mxf nut nuv obu ogg pva rm smjpeg swf ty vc1 vc1test
vvc webp wtv yuv4mpegpipe"""
_SOUND = """aac ac3 ac4 aiff amr amrnb amrwb ape au caf dsf dts dtshd eac3 flac gsm latm loas mlp mp3 mpc mpc8 oma rso
shn tak truehd tta voc w64 wav wv xwma"""
_STILL = """bmp_pipe dpx_pipe exr_pipe hdr_pipe j2k_pipe jpeg_pipe jpegls_pipe jpegxl_pipe jpegxs_pipe pam_pipe pbm_pipe
pcx_pipe pfm_pipe pgm_pipe png_pipe ppm_pipe psd_pipe qoi_pipe sgi_pipe tiff_pipe webp_pipe"""
DEMUXERS = frozenset(f"{_VIDEO} {_SOUND} {_STILL}".split())
"""Names of FFmpeg's demuxers that may be used. None of them opens anything beside the file that it is given."""

IMAGES = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats of image files that Pillow may read. Others are left out because Pillow starts a program for one (EPS)."""

_LISTS = {b"#extm3u": "an HLS playlist", b"ffconcat": "a list of files", b"v=0": "an SDP session description",
          b"<mpd": "a DASH manifest", b"<?xml": "XML, such as a DASH manifest", b"[playlist]": "a PLS playlist",
          b"[internetshortcut]": "a link", b"rtsptext": "a link"}
_HEADERS = (b"\x1aE\xdf\xa3", b"RIFF", b"OggS", b"FLV\x01", b"GIF8")


def reason(file: BinaryIO, num_bytes: int) -> str:
    """Say why FFmpeg or the list of formats refuses a file: a cut ISO file, damage, a playlist, or no media at all."""
    head = file.read(512)
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"wide", b"free"):
        if b"moov" not in _top_boxes(file, num_bytes):
            return "it is cut before its index (no moov atom); copy or download it again"
        return "its index (moov atom) is damaged"
    if head.startswith(_HEADERS):
        return "its header is damaged or cut"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for mark, what in _LISTS.items():
        if text.startswith(mark):
            return f"it is not a media file but {what}; give the file or address that it names"
    if _is_text(head):
        return "it is not a media file but plain text"
    return "it is not a media file of a known format, or its header is damaged"


def _is_text(head: bytes) -> bool:
    return bool(head) and not any(byte < 32 and byte not in b"\t\n\f\r\x1b" for byte in head)


def _top_boxes(file: BinaryIO, num_bytes: int) -> set[bytes]:
    """List the top-level boxes of an ISO base media file (ISO 14496-12, 4.2)."""
    boxes: set[bytes] = set()
    at = 0
    while at + 8 <= num_bytes and len(boxes) < 64:
        file.seek(at)
        header = file.read(16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        boxes.add(header[4:8])
        if size < 8:
            break
        at += size
    return boxes


def declared_size(media: bytes | str) -> tuple[int, int] | None:
    """Read width and height from the header of an image file, without decoding it; None if it is no image.

    Args:
        media: a path, or the bytes of a file.

    Raises:
        Image.DecompressionBombError: the image is larger than what Pillow opens.
    """
    try:
        with Image.open(io.BytesIO(media) if isinstance(media, bytes) else media, formats=IMAGES) as image:
            return image.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None


def too_large(name: str, what: str, max_pixels: int) -> BudgetExceeded:
    """Build the error for a frame of more than `max_pixels`."""
    return BudgetExceeded(f"{name} declares {what}, over the limit of {max_pixels} pixels; make it smaller, or raise "
                          "MediaLimits.max_pixels.")


__all__ = ["DEMUXERS", "IMAGES", "declared_size", "reason", "too_large"]
