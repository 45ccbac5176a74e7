"""Questions about a video in free English: what is asked, and what facts answer."""

from __future__ import annotations

from mmvideo.everyday.questions.answers import answer_from_facts
from mmvideo.everyday.questions.describing import CheckedCaption, check_caption, describe
from mmvideo.everyday.questions.query import FAMILIES, NamedTime, Query
from mmvideo.everyday.questions.told import Told
from mmvideo.everyday.questions.understand import understand

__all__ = [
           "FAMILIES",
           "CheckedCaption",
           "NamedTime",
           "Query",
           "Told",
           "answer_from_facts",
           "check_caption",
           "describe",
           "understand",
]
