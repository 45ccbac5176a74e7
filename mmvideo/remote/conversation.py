"""Questions about a video to a model behind a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from mmvideo.errors import InvalidInput, RequestRefused, shown
from mmvideo.remote.client import Client, Reply
from mmvideo.remote.view import SOUND, RemoteView
from mmvideo.types import GenerationOptions
from mmvideo.vlm.conversation import Conversation
from mmvideo.vlm.generate import Generated

_ONE_OF = "Reply with exactly one of these, and nothing else:"


class RemoteConversation(Conversation):
    """A video that is sent along with every question; nothing is kept on the server between two.

    Args:
        client: of the server.
        view: what is sent.
    """

    tokenizer, ends, num_read = None, (), 0

    def __init__(self, client: Client, view: RemoteView):
        self.client, self.view = client, view

    def check_room(self, question: str, options: GenerationOptions) -> Tensor:
        """Leave it to the server, which alone knows its context."""
        return Tensor()

    def write(self, question: str, options: GenerationOptions) -> Iterator[Generated]:
        """Yield the whole reply: it comes in one piece.

        Raises:
            ServerUnavailable, RequestRefused, ModelUnavailable, TimeLimitExceeded: as `Client.chat`.
        """
        if options.choices:
            yield self.choose(question, options)[0]
            return
        optional = {} if options.schema is None else {"response_format": _format("reply", options.schema)}
        reply = self._ask(question, options, optional)
        if options.schema is not None and "response_format" in reply.without:
            raise RequestRefused(f"{self.client.address.url} takes no response_format, so that no reply can be held to "
                                 "a JSON schema; ask without schema=.")
        yield self._generated(reply)

    def choose(self, question: str, options: GenerationOptions) -> list[Generated]:
        """Return the choice that the server gives: it is held to them where it can be, and its words are read strictly.

        Raises:
            RequestRefused: it answers with none of them.
        """
        schema = {"type": "object", "properties": {"answer": {"type": "string", "enum": list(options.choices)}},
                  "required": ["answer"], "additionalProperties": False}
        words = "\n".join([question, _ONE_OF, *options.choices])
        reply = self._ask(words, options, {"response_format": _format("choice", schema)})
        text = _chosen(reply.text, options.choices)
        if text is None:
            raise RequestRefused(f"{self.client.address.url} answers {shown(reply.text, 100)}, which is none of the "
                                 "choices.")
        return [self._generated(Reply(**{**vars(reply), "text": text}))]

    def _ask(self, question: str, options: GenerationOptions, optional: dict[str, dict[str, Any]]) -> Reply:
        body: dict[str, Any] = {"messages": self._messages(question, options, sound=False),
                                "max_tokens": options.max_new_tokens or self.max_new_tokens,
                                "temperature": options.temperature}
        if options.num_beams > 1:
            raise InvalidInput(f"num_beams needs a model on this machine; leave it out for {self.client.address.url}.")
        if options.top_p != 1.0:
            body["top_p"] = options.top_p
        if options.seed is not None:
            body["seed"] = options.seed
        if options.stop:
            body["stop"] = list(options.stop)
        parts: dict[str, dict[str, Any]] = {"logprobs": {"logprobs": True}}
        if self.view.sound is not None:
            parts[SOUND] = {"messages": self._messages(question, options, sound=True)}
        return self.client.chat(body, {**parts, **optional})

    def _messages(self, question: str, options: GenerationOptions, *, sound: bool) -> list[dict[str, Any]]:
        seen = self.view.parts()
        if sound and (heard := self.view.sound_part()) is not None:
            seen.append(heard)
        turns = [text for turn in options.history for text in turn] + [question]
        first = {"role": "user", "content": [*seen, {"type": "text", "text": turns[0]}]}
        return [first, *({"role": ("user", "assistant")[number % 2], "content": text}
                         for number, text in enumerate(turns[1:], 1))]

    def _generated(self, reply: Reply) -> Generated:
        told = "; without the sound, which the server does not take" if SOUND in reply.without else ""
        sure: Any = reply.confidence  # None is allowed here alone: every model that runs in this process knows it
        return Generated(reply.text, sure, num_read=reply.prompt_tokens,
                         num_written=reply.completion_tokens, finished=reply.finished,
                         rule=f"asked {self.client.address.name} by its server{told}")


def _format(name: str, schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}}


def _chosen(text: str, choices: tuple[str, ...]) -> str | None:
    """Return which choice a text is; None where it is none of them, or not just one."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = text
    said = found.get("answer") if isinstance(found, dict) else found
    if not isinstance(said, str):
        said = text
    plain = said.strip().strip("\"'.`*").strip().casefold()
    same = [choice for choice in choices if choice.strip().strip("\"'.`*").strip().casefold() == plain]
    return same[0] if len(same) == 1 else None


__all__ = ["RemoteConversation"]
