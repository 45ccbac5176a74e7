"""Which animals ImageNet's classes are: many classes of dogs, birds or monkeys are one kind in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mmvideo.types import Label

_RANGES = (
    (0, 1, "fish"),
    (2, 4, "shark"),
    (5, 6, "ray"),
    (7, 7, "rooster"),
    (8, 8, "hen"),
    (9, 9, "ostrich"),
    (10, 21, "bird"),
    (22, 22, "eagle"),
    (23, 23, "vulture"),
    (24, 24, "owl"),
    (25, 29, "salamander"),
    (30, 32, "frog"),
    (33, 37, "turtle"),
    (38, 48, "lizard"),
    (49, 50, "crocodile"),
    (52, 68, "snake"),
    (70, 70, "spider"),
    (71, 71, "scorpion"),
    (72, 77, "spider"),
    (80, 83, "bird"),
    (84, 84, "peacock"),
    (85, 86, "bird"),
    (87, 90, "parrot"),
    (91, 96, "bird"),
    (97, 98, "duck"),
    (99, 99, "goose"),
    (100, 100, "swan"),
    (101, 101, "elephant"),
    (104, 104, "kangaroo"),
    (105, 105, "koala"),
    (107, 107, "jellyfish"),
    (113, 113, "snail"),
    (118, 121, "crab"),
    (122, 124, "lobster"),
    (125, 125, "crab"),
    (127, 129, "bird"),
    (130, 130, "flamingo"),
    (131, 143, "bird"),
    (144, 144, "pelican"),
    (145, 145, "penguin"),
    (146, 146, "bird"),
    (147, 148, "whale"),
    (150, 150, "seal"),
    (151, 268, "dog"),
    (269, 271, "wolf"),
    (272, 275, "wild dog"),
    (276, 276, "hyena"),
    (277, 280, "fox"),
    (281, 285, "cat"),
    (286, 286, "cougar"),
    (287, 287, "lynx"),
    (288, 290, "leopard"),
    (291, 291, "lion"),
    (292, 292, "tiger"),
    (293, 293, "cheetah"),
    (294, 297, "bear"),
    (299, 299, "meerkat"),
    (300, 307, "beetle"),
    (308, 308, "fly"),
    (309, 309, "bee"),
    (310, 310, "ant"),
    (311, 312, "grasshopper"),
    (319, 320, "dragonfly"),
    (321, 326, "butterfly"),
    (327, 327, "starfish"),
    (330, 332, "rabbit"),
    (333, 333, "hamster"),
    (334, 334, "porcupine"),
    (335, 335, "squirrel"),
    (336, 336, "marmot"),
    (337, 337, "beaver"),
    (338, 338, "guinea pig"),
    (339, 339, "horse"),
    (340, 340, "zebra"),
    (341, 343, "pig"),
    (344, 344, "hippo"),
    (345, 347, "cow"),
    (348, 349, "sheep"),
    (350, 350, "goat"),
    (351, 353, "antelope"),
    (354, 354, "camel"),
    (355, 355, "llama"),
    (356, 359, "ferret"),
    (360, 360, "otter"),
    (361, 361, "skunk"),
    (364, 364, "sloth"),
    (365, 365, "orangutan"),
    (366, 366, "gorilla"),
    (367, 384, "monkey"),
    (385, 386, "elephant"),
    (387, 388, "panda"),
    (389, 397, "fish"),
)
"""First and last number of ImageNet's 1,000 classes, and the kind."""
_LEAST = 0.02


def animals_of(shares: Tensor) -> tuple[Label, ...]:
    """Return the kinds of animal that a picture looks like, likeliest first.

    Args:
        shares: probabilities of ImageNet's classes, float (1000,).
    """
    found: dict[str, float] = {}
    for first, last, kind in _RANGES:
        found[kind] = found.get(kind, 0.0) + float(shares[first : last + 1].sum())
    ranked: Sequence[str] = sorted(found, key=lambda kind: -found[kind])
    return tuple(Label(kind, min(1.0, found[kind])) for kind in ranked if found[kind] >= _LEAST)


__all__ = ["animals_of"]
