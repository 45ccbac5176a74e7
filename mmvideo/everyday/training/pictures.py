"""Pictures that no camera took: drawn cartoons, screens, charts, noise, emptiness and renderings, made by kind.

Two sets of kinds: those that a judge of real footage is trained against (`TRAINING`), and others that it is tested
with (`TESTING`), so that what is measured is more than what was learned. Some make a drawing of a photograph.
"""

from __future__ import annotations

import colorsys
import random
from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmvideo.toybox.physics import simulate
from mmvideo.toybox.render import render_world
from mmvideo.toybox.spec import sample_scene, split_seed

SIDE = 224
WORDS = ("the", "a", "file", "edit", "view", "total", "report", "size", "value", "help", "open", "close", "save",
         "error", "of", "and", "to", "in", "for", "with", "return", "index", "import", "data", "table", "user", "name",
         "list", "price", "page", "next", "search", "home", "message", "time", "date", "left", "right", "about")

Picture = np.ndarray
"""uint8 (224, 224, 3), RGB."""
Maker = Callable[[random.Random, Picture], Picture]
"""From a source of chance and a photograph, which most kinds leave unused."""


def _colour(rng: random.Random, *, bright: bool = True) -> tuple[int, int, int]:
    r, g, b = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.3, 1.0), rng.uniform(0.5 if bright else 0.05, 1.0))
    return int(255 * r), int(255 * g), int(255 * b)


def _noise(rng: random.Random, *shape: int) -> np.ndarray:
    return np.random.default_rng(rng.getrandbits(32)).normal(size=shape)


def flat_cartoon(rng: random.Random, photo: Picture) -> Picture:
    """Draw flat shapes with outlines before bands of one colour, some of them faces or houses."""
    image = Image.new("RGB", (2 * SIDE, 2 * SIDE), _colour(rng))
    draw = ImageDraw.Draw(image)
    if rng.random() < 0.7:
        horizon = rng.randint(150, 380)
        draw.rectangle((0, horizon, 448, 448), fill=_colour(rng))
    for _ in range(rng.randint(2, 9)):
        x, y, r = rng.randint(0, 448), rng.randint(0, 448), rng.randint(20, 130)
        fill, line, width = _colour(rng), rng.choice([(0, 0, 0), _colour(rng, bright=False)]), rng.choice([0, 2, 4, 7])
        shape = rng.random()
        if shape < 0.35:
            draw.ellipse((x - r, y - r * 0.9, x + r, y + r * 0.9), fill=fill, outline=line, width=width)
            if rng.random() < 0.7:
                for side in (-1, 1):
                    ex, ey, er = x + side * r * 0.35, y - r * 0.2, r * rng.uniform(0.08, 0.25)
                    draw.ellipse((ex - er, ey - er, ex + er, ey + er), fill="white", outline="black", width=2)
                    draw.ellipse((ex - er / 2, ey - er / 2, ex + er / 2, ey + er / 2), fill="black")
                draw.arc((x - r * 0.5, y - r * 0.1, x + r * 0.5, y + r * 0.6), 10, 170, fill="black", width=4)
        elif shape < 0.6:
            points = [(x + rng.randint(-r, r), y + rng.randint(-r, r)) for _ in range(rng.randint(3, 7))]
            draw.polygon(points, fill=fill, outline=line, width=width)
        elif shape < 0.85:
            draw.rounded_rectangle((x - r, y - r, x + r, y + rng.randint(1, r)), rng.randint(0, 15), fill=fill,
                                   outline=line, width=width)
        else:
            draw.line([(x + rng.randint(-r, r), y + rng.randint(-r, r)) for _ in range(4)], fill=line, width=6)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def painted(rng: random.Random, photo: Picture) -> Picture:
    """Make a drawing of a photograph: few flat colours and dark outlines, as in an animated film."""
    smooth = photo
    for _ in range(rng.randint(2, 5)):
        smooth = cv2.bilateralFilter(smooth, 9, 40, 9)
    levels = rng.randint(5, 10)
    hsv = cv2.cvtColor(smooth, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 1] = np.clip(hsv[..., 1] * rng.uniform(1.2, 2.2), 0, 255)
    hsv[..., 2] = np.round(hsv[..., 2] / 255 * levels) / levels * 255
    drawn = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    if rng.random() < 0.8:
        gray = cv2.medianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), 7)
        edges = cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, rng.randint(3, 6))
        drawn = cv2.bitwise_and(drawn, drawn, mask=edges)
    return drawn


def sketch(rng: random.Random, photo: Picture) -> Picture:
    """Make a pencil drawing of a photograph."""
    gray, colour = cv2.pencilSketch(photo[..., ::-1].copy(), sigma_s=rng.uniform(20, 80),
                                    sigma_r=rng.uniform(0.04, 0.1), shade_factor=rng.uniform(0.02, 0.08))
    return np.repeat(gray[..., None], 3, 2) if rng.random() < 0.6 else colour[..., ::-1].copy()


def _font(rng: random.Random, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _line(rng: random.Random, num: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(num))


def page(rng: random.Random, photo: Picture) -> Picture:
    """Draw a page of text, or a window with a title, buttons and fields."""
    dark = rng.random() < 0.3
    paper, ink = ((30, 32, 36), (220, 220, 220)) if dark else ((250, 250, 248), (20, 20, 24))
    image = Image.new("RGB", (2 * SIDE, 2 * SIDE), paper)
    draw = ImageDraw.Draw(image)
    top = 10
    if rng.random() < 0.6:
        draw.rectangle((0, 0, 448, 34), fill=_colour(rng, bright=False))
        draw.text((12, 8), _line(rng, 3), fill="white", font=_font(rng, 16))
        top = 46
    if rng.random() < 0.5:
        draw.rectangle((0, top - 8, rng.randint(60, 130), 448), fill=tuple(max(0, c - 18) for c in paper))
    size = rng.choice([10, 12, 14, 18, 26, 44])
    for y in range(top, 440, int(size * rng.uniform(1.3, 2.0))):
        if rng.random() < 0.85:
            draw.text((rng.choice([14, 14, 14, 40]), y), _line(rng, rng.randint(1, max(2, 90 // size))), fill=ink,
                      font=_font(rng, size))
    for _ in range(rng.choice([0, 0, 2, 4])):
        x, y = rng.randint(10, 330), rng.randint(60, 400)
        draw.rounded_rectangle((x, y, x + 100, y + 28), 6, fill=_colour(rng))
        draw.text((x + 14, y + 5), rng.choice(WORDS), fill="white", font=_font(rng, 14))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def grain(rng: random.Random, photo: Picture) -> Picture:
    """Make noise: even or normal, of any grain, gray or coloured."""
    side, channels = rng.choice([224, 224, 112, 56, 20]), rng.choice([1, 3])
    field = _noise(rng, side, side, channels) * rng.uniform(25, 90) + rng.uniform(60, 190)
    field = np.broadcast_to(field, (side, side, 3)).clip(0, 255).astype(np.uint8)
    return cv2.resize(field, (SIDE, SIDE), interpolation=rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR]))


def empty(rng: random.Random, photo: Picture) -> Picture:
    """Make a picture of one colour, mostly black, with next to no grain, or a plain run of two colours."""
    base = np.zeros((SIDE, SIDE, 3), np.float32) + rng.choice([0, 0, 0, rng.randint(0, 18), 255])
    if rng.random() < 0.35:
        base = base * 0 + _colour(rng, bright=False)
    elif rng.random() < 0.3:
        ramp = np.linspace(0, 1, SIDE)[:, None, None] if rng.random() < 0.5 else np.linspace(0, 1, SIDE)[None, :, None]
        base = base * 0 + ramp * np.asarray(_colour(rng)) + (1 - ramp) * np.asarray(_colour(rng, bright=False))
    return (base + _noise(rng, SIDE, SIDE, 1) * rng.choice([0, 0, 1, 2.5])).clip(0, 255).astype(np.uint8)


def toybox(rng: random.Random, photo: Picture, *, level: str = "standard", split: str = "train") -> Picture:
    """Render a moment of a scene of the toybox."""
    return rng.choice(_scenes(level, split, rng.randrange(2)))


@cache
def _scenes(level: str, split: str, number: int) -> list[Picture]:
    """Return pictures of 32 scenes, which are drawn together because one alone takes nearly as long."""
    world = simulate([sample_scene(split_seed(split, 64 * number + i), level) for i in range(64)])
    frames = render_world(world, size=SIDE, num_frames=4, fps=2)
    return [frame.permute(1, 2, 0).numpy() for frame in frames.flatten(0, 1)]


def chart(rng: random.Random, photo: Picture) -> Picture:
    """Draw a chart with axes: bars, lines or dots."""
    image = Image.new("RGB", (2 * SIDE, 2 * SIDE), "white")
    draw = ImageDraw.Draw(image)
    draw.line((50, 20, 50, 400), fill="black", width=2)
    draw.line((50, 400, 430, 400), fill="black", width=2)
    for y in range(60, 400, 56):
        draw.line((50, y, 430, y), fill=(215, 215, 215))
        draw.text((12, y - 6), str(rng.randint(0, 90)), fill="black", font=_font(rng, 12))
    kind, values = rng.randrange(3), [rng.randint(40, 350) for _ in range(rng.randint(4, 12))]
    step = 370 / len(values)
    for series in range(rng.randint(1, 3)):
        colour = _colour(rng)
        points = [(60 + i * step, 400 - v * rng.uniform(0.5, 1)) for i, v in enumerate(values)]
        if kind == 0:
            for left, top in points:
                draw.rectangle((left + series * 6, top, left + step * 0.6 + series * 6, 400), fill=colour)
        elif kind == 1:
            draw.line(points, fill=colour, width=4)
        else:
            for left, top in points:
                draw.ellipse((left - 5, top - 5, left + 5, top + 5), fill=colour)
    draw.text((120, 6), _line(rng, 4), fill="black", font=_font(rng, 18))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def code_editor(rng: random.Random, photo: Picture) -> Picture:
    """Draw an editor with coloured words on a dark ground, each line further in or out."""
    image = Image.new("RGB", (2 * SIDE, 2 * SIDE), (rng.randint(10, 50),) * 3)
    draw, size, indent = ImageDraw.Draw(image), rng.choice([11, 13, 16]), 0
    colours = [_colour(rng) for _ in range(4)] + [(220, 220, 220)]
    for number, y in enumerate(range(6, 440, size + 5)):
        draw.text((4, y), str(number), fill=(120, 120, 120), font=_font(rng, size))
        indent = max(0, indent + rng.choice([-1, 0, 0, 1]))
        x = 36.0 + indent * 20
        for _ in range(rng.randint(0, 6)):
            word = rng.choice(WORDS) + rng.choice(["", "(", ")", ":", ",", " ="])
            draw.text((x, y), word, fill=rng.choice(colours), font=_font(rng, size))
            x += draw.textlength(word + " ", font=_font(rng, size))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def line_drawing(rng: random.Random, photo: Picture) -> Picture:
    """Draw the outlines of a photograph in ink on paper."""
    gray = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), rng.uniform(0.8, 2.0))
    edges = cv2.dilate(cv2.Canny(gray, 40, 110), np.ones((rng.choice([1, 2, 2]),) * 2, np.uint8))
    paper = np.full((SIDE, SIDE, 3), rng.choice([255, 255, 240]), np.uint8)
    paper[edges > 0] = rng.choice([(0, 0, 0), (40, 40, 40), _colour(rng, bright=False)])
    return paper


def television(rng: random.Random, photo: Picture) -> Picture:
    """Make a test card: colour bars with a ramp, or the snow of a set without a signal."""
    if rng.random() < 0.5:
        bars = [(192,) * 3, (192, 192, 0), (0, 192, 192), (0, 192, 0), (192, 0, 192), (192, 0, 0), (0, 0, 192)]
        picture = np.concatenate([np.full((SIDE, SIDE // 7, 3), bar, np.uint8) for bar in bars], 1)
        picture[170:] = np.linspace(0, 255, SIDE)[None, :, None]
        return picture
    snow = (_noise(rng, SIDE // 2, SIDE, 1) > rng.uniform(-0.3, 0.8)) * 255
    return cv2.resize(np.repeat(snow, 3, 2).astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


def fractal(rng: random.Random, photo: Picture) -> Picture:
    """Draw a part of a Julia set in running colours."""
    scale, shift = rng.uniform(0.3, 1.5), complex(rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6))
    y, x = np.mgrid[-scale : scale : SIDE * 1j, -scale : scale : SIDE * 1j]
    z, start, count = x + 1j * y + shift, complex(rng.uniform(-0.9, 0.3), rng.uniform(0.2, 0.8)), np.zeros((SIDE, SIDE))
    for _ in range(40):
        inside = np.abs(z) < 2
        z[inside] = z[inside] ** 2 + start
        count += inside
    hsv = np.stack([(count * rng.uniform(2, 9)) % 180, np.full_like(count, 200), np.minimum(count * 9, 255)], -1)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


def easy_toybox(rng: random.Random, photo: Picture) -> Picture:
    """Render a moment of an easy scene of the toybox, from its test split."""
    return toybox(rng, photo, level="easy", split="test")


TRAINING: dict[str, Maker] = {"flat cartoon": flat_cartoon, "painted": painted, "page": page, "grain": grain,
                              "empty": empty, "toybox": toybox}
TESTING: dict[str, Maker] = {"chart": chart, "code editor": code_editor, "line drawing": line_drawing, "sketch": sketch,
                             "television": television, "fractal": fractal, "easy toybox": easy_toybox}

REASONS = {"flat cartoon": "drawing", "painted": "drawing", "page": "screen", "grain": "noise", "empty": "empty",
           "toybox": "rendering"}
"""Training kind -> class of the judge (`mmvideo.everyday.domain.KINDS`)."""


def worsened(rng: random.Random, photo: Picture) -> Picture:
    """Return a photograph as worse cameras and films show it: dark, blurred, gray, coarse, cropped, between bars."""
    out = photo
    if rng.random() < 0.5:
        side = rng.randint(100, 200)
        x, y = rng.randint(0, SIDE - side), rng.randint(0, SIDE - side)
        out = cv2.resize(out[y : y + side, x : x + side], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.35:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.7, 3.5))
    if rng.random() < 0.3:
        small = cv2.resize(out, (rng.randint(56, 140),) * 2, interpolation=cv2.INTER_AREA)
        out = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.35:
        out = ((out / 255.0) ** rng.uniform(0.6, 2.6) * rng.uniform(0.45, 1.0) * 255).astype(np.uint8)
    if rng.random() < 0.15:
        out = np.repeat(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    if rng.random() < 0.15:
        out, bar = out.copy(), rng.randint(10, 45)
        if rng.random() < 0.5:
            out[:bar], out[-bar:] = 0, 0
        else:
            out[:, :bar], out[:, -bar:] = 0, 0
    if rng.random() < 0.4:
        _, data = cv2.imencode(".jpg", out[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, rng.randint(12, 60)])
        coarse = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert coarse is not None, "it was encoded a line above"
        out = coarse[..., ::-1].copy()
    return out


__all__ = ["REASONS", "SIDE", "TESTING", "TRAINING", "Maker", "Picture", "worsened"]
