"""The words of the toybox world and its fixed numbers; every other file of the package takes them from here."""

from __future__ import annotations

SHAPES = ("ball", "box", "triangle", "star", "ring", "cross")
"""The first four occur at every level, the last two at level hard only."""
ROUND = frozenset({"ball", "ring"})
"""Shapes that look the same however they are turned."""
COLORS = ("red", "green", "blue", "yellow", "purple", "cyan")
SIZES = ("small", "large")
MATERIALS = ("rubber", "metal", "wood")
VIEWS = ("top", "side")
"""top: seen from above, friction, no gravity; side: gravity pulls down, the floor is a wall."""
SIDES = ("left", "right", "top", "bottom")
VOICES = ("none", "hum", "beep")
"""hum: a motor tone while the toy moves; beep: short tones, the toy flashes with each."""
CAMERA_MOTIONS = (
    "static", "pan left", "pan right", "tilt up", "tilt down",
    "zoom in", "zoom out", "roll left", "roll right", "shake",
)
"""What the camera does: on a pan left the scene moves right in the picture; on a roll left it turns clockwise."""
EVENT_KINDS = ("hit", "bounce", "leave", "enter", "stop", "start", "hide", "appear")
"""hit: two toys collide; bounce: off a wall; hide and appear: behind and out from behind the occluder."""
OFFSCREEN_SOUNDS = ("bell", "whistle")
LEVELS = ("easy", "standard", "hard")
SPLITS = ("train", "validation", "test", "test-pairs")
"""test-pairs: only scenes that hold a colour-shape pair never seen in train."""

HELD_OUT_PAIRS = frozenset({("red", "star"), ("cyan", "triangle"), ("yellow", "box"), ("purple", "ball")})
"""Colour-shape pairs that occur in no training scene."""

STEPS_PER_SECOND = 64
"""Physics steps; every trajectory is recorded at this rate."""
CLIP_SECONDS = 2.0
"""What a viewer is shown."""
FUTURE_SECONDS = 1.0
"""What is simulated after the clip's end, for questions about what happens next."""
MODEL_FPS = 8
"""Frames per second that the embedded model looks at: 16 frames a clip."""
SAMPLE_RATE = 16_000
