"""Many clips of many videos read and asked together, so that no clip's reply depends on who its neighbours are.

Matrix products of another shape round differently. Every forward pass here has exactly `size` clips, filled up by
repeating the first where there are fewer, and questions are padded to a length that follows from themselves alone: a
job that is interrupted and resumed then groups clips in another way, and still writes the same digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.vlm.embedded_prompt import embedded_prompt
from mmvideo.vlm.language_model import Generated, LanguageModel

_STEP = 8
"""Questions are padded to a multiple of this many tokens."""


@dataclass(frozen=True)
class Unread:
    """Soft tokens of one video's clips that wait to be read together with those of others."""

    language: LanguageModel
    embeddings: Tensor
    """float (B, N, D)."""


def reply_together(clips: Sequence[Unread], requests: Sequence[Sequence[str]], *, size: int,
                   max_new_tokens: int) -> list[list[Generated]]:
    """Ask the clips of every video the questions of that video.

    Args:
        clips: one entry a video, B_i clips each.
        requests: for each video its R_i questions; each of its clips is asked all of them.
        size: clips in one forward pass.
        max_new_tokens: the longest reply.

    Returns:
        For each video B_i * R_i replies, clip by clip, as `Session.reply` gives them.
    """
    replies: list[list[list[Generated]]] = [[[] for _ in one.embeddings] for one in clips]
    groups: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
    for video, (one, asked) in enumerate(zip(clips, requests, strict=True)):
        longest = max(_tokens(one.language, question) for question in asked)
        key = (len(asked), -(-longest // _STEP) * _STEP, one.embeddings.shape[1])
        groups.setdefault(key, []).extend((video, row) for row in range(len(one.embeddings)))
    for (count, length, _), places in groups.items():
        for start in range(0, len(places), size):
            check()
            chosen = places[start:start + size]
            filled = chosen + [chosen[0]] * (size - len(chosen))
            language = clips[chosen[0][0]].language
            session = language.open(torch.stack([clips[video].embeddings[row] for video, row in filled]))
            said = session.reply([question for video, _ in filled for question in requests[video]],
                                 max_new_tokens=max_new_tokens, num_tokens=length)
            for number, (video, row) in enumerate(chosen):
                replies[video][row] = said[number * count:(number + 1) * count]
    return [[reply for row in rows for reply in row] for rows in replies]


def _tokens(language: LanguageModel, request: str) -> int:
    return len(language.tokenizer.encode(embedded_prompt(request), add_special_tokens=False))


__all__ = ["Unread", "reply_together"]
