"""How many tokens a causal model can follow, and the check that what it reads and writes fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmvideo.errors import ContextExceeded

_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length")
"""Names that configurations of transformers have for the number of positions."""
MOST_FOR_A_QUESTION = 256
"""Tokens that are left in the context for a question that is not known yet."""
_NO_LIMIT = 10**9
"""Tokenizers without a limit of their own tell a larger number than this."""


def longest_context(config: Any, tokenizer: Any) -> int | None:
    """Return the most tokens that a model can read and write together; None where nothing says.

    That is the least of the positions of the language model (times the factor of scaled rotary positions), its sliding
    window if every layer slides, and the tokenizer's `model_max_length`.

    Args:
        config: of transformers; that of the part that reads text is looked up in it.
        tokenizer: of the model.
    """
    text = config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config
    told = getattr(tokenizer, "model_max_length", None)
    limits = (_positions(text), _window(text), told if isinstance(told, int) and 0 < told < _NO_LIMIT else None)
    return min((limit for limit in limits if limit is not None), default=None)


def check_room(context: int | None, num_read: int, max_new_tokens: int) -> None:
    """Refuse what does not fit into a model's context.

    Args:
        context: as `longest_context` returns it.
        num_read: tokens of what is seen, the question and what stands around them.
        max_new_tokens: of the reply.

    Raises:
        ContextExceeded: it does not fit.
    """
    if context is not None and num_read + max_new_tokens > context:
        raise ContextExceeded(
            f"{num_read} tokens of video and question and {max_new_tokens} of the reply do not fit into the model's "
            f"context of {context}. Look at less (max_frames=, max_windows=), ask in fewer words, tell fewer earlier "
            "turns, or set a smaller max_new_tokens.")


def _positions(text: Any) -> int | None:
    found = next((value for name in _POSITIONS if isinstance(value := getattr(text, name, None), int) and value > 0),
                 None)
    if found is None:
        return None
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None)
    rope = rope if isinstance(rope, Mapping) else {}
    rope = rope.get("full_attention") or rope
    kind, factor = rope.get("rope_type", rope.get("type")), rope.get("factor")
    if kind not in ("linear", "dynamic", "yarn") or not isinstance(factor, int | float) or not factor > 1:
        return found  # for the other kinds the configuration holds the longer number already
    original = rope.get("original_max_position_embeddings") if kind == "yarn" else None
    return max(found, int(factor * (original if isinstance(original, int) else found)))


def _window(text: Any) -> int | None:
    """Return the width of a sliding window beyond which no layer looks."""
    window, kinds = getattr(text, "sliding_window", None), getattr(text, "layer_types", None)
    if not isinstance(window, int) or window < 1 or getattr(text, "use_sliding_window", True) is False:
        return None
    return window if not kinds or all(kind == "sliding_attention" for kind in kinds) else None


__all__ = ["MOST_FOR_A_QUESTION", "check_room", "longest_context"]
