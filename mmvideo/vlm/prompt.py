"""How a composed model is asked: the language model's own chat template, or a line of text where it has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmvideo.errors import InvalidInput, translated

QUESTION, ANSWER = "<question>", "<answer>"
"""Marks of the closed vocabulary's format: <question> text <answer> reply <eos>."""
CAPTION_REQUEST = "describe the video"
"""What a composed model is asked for a caption where nothing else is given."""
VIDEO = "\ufffc"
"""Where the visual tokens go: the Unicode mark for an object in text, which no tokenizer sees."""
PLAIN = VIDEO + "\nUSER: {question}\nASSISTANT:"
WORDS = VIDEO + QUESTION + " {question} " + ANSWER
"""The format of a closed vocabulary, in lower case, as the embedded toybox model has it."""


def closed_prompt(question: str) -> str:
    """Return what stands after the visual tokens where the vocabulary is closed."""
    return WORDS.format(question=question.strip().lower()).replace(VIDEO, "")


@dataclass(frozen=True)
class Prompt:
    """Writes conversations.

    Args:
        tokenizer: of the language model.
        form: text with a place for the video and `{question}`; empty for the tokenizer's chat template, else PLAIN.
    """

    tokenizer: Any
    form: str = ""

    def __post_init__(self) -> None:
        if self.form and (self.form.count(VIDEO) != 1 or "{question}" not in self.form):
            raise InvalidInput("A prompt holds the mark of the video once (U+FFFC) and {question}.")

    @property
    def _model(self) -> str:
        return getattr(self.tokenizer, "name_or_path", "") or "the language model"

    def text(self, question: str, history: tuple[tuple[str, str], ...] = ()) -> str:
        """Return the conversation up to where the reply begins."""
        if not self.form and self.tokenizer.chat_template:
            messages = []
            for number, words in enumerate([*(q for q, _ in history), question]):
                content = f"{VIDEO}\n{words}" if number == 0 else words
                messages.append({"role": "user", "content": content})
                if number < len(history):
                    messages.append({"role": "assistant", "content": history[number][1]})
            with translated(self._model, "chat template", "this conversation", kind=InvalidInput):
                return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        form = self.form or PLAIN
        end = self.tokenizer.eos_token or "\n"
        earlier = "".join(f"{form.format(question=q).replace(VIDEO, '')} {a}{end}" for q, a in history)
        lead = VIDEO if earlier else ""
        asked = form.format(question=self._cased(question))
        return lead + earlier + (asked.replace(VIDEO, "") if earlier else asked)

    def _cased(self, question: str) -> str:
        return question.strip().lower() if self.closed else question

    @property
    def closed(self) -> bool:
        """Whether the words are those of a closed vocabulary."""
        return QUESTION in self.form

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Return the words of a text that are not in a closed vocabulary; none where the vocabulary is open."""
        if not self.closed:
            return ()
        unknown = self.tokenizer.unk_token_id
        words = (word.strip(",.?!:;\"'()") for word in text.lower().split())
        return tuple(w for w in words if w and unknown in self.tokenizer.encode(w, add_special_tokens=False))

    def tidy(self, text: str) -> str:
        """Return a reply without the spaces that a closed vocabulary puts before its marks."""
        for mark in ",.?:" if self.closed else "":
            text = text.replace(f" {mark}", mark)
        return text

    def around(self, question: str, history: tuple[tuple[str, str], ...] = ()) -> tuple[list[int], list[int]]:
        """Return the token IDs before the video and those after it."""
        before, _, after = self.text(question, history).partition(VIDEO)
        begins = [self.tokenizer.bos_token_id] if self.tokenizer.bos_token_id is not None else []
        with translated(self._model, "tokenizer", "this question", kind=InvalidInput):
            ids = [self.tokenizer(part, add_special_tokens=False)["input_ids"] if part else []
                   for part in (before, after)]
        if begins and ids[0][:1] != begins:
            ids[0] = begins + ids[0]
        return ids[0], ids[1]


__all__ = ["ANSWER", "CAPTION_REQUEST", "PLAIN", "QUESTION", "VIDEO", "WORDS", "Prompt", "closed_prompt"]
