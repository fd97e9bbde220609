"""Reasoning that a model writes into its text, between tags: told apart only when the tag opens the message."""

from __future__ import annotations

from typing import Literal

#: Opening and closing tags. `<think>`: DeepSeek, Qwen and others; the second: Gemma (LiveKit Agents, inference.LLM).
TAGS = (("<think>", "</think>"), ("<|channel>thought", "<channel|>"))


class Thinking:
    r"""Splits the start of a message into reasoning and text, however the tags are cut.

    Example:
        >>> thinking = Thinking()
        >>> thinking.feed("<thi"), thinking.feed("nk>2+2</think>\n\n4")
        ([], [('reasoning', '2+2'), ('text', '4')])
    """

    __slots__ = ("_closing", "_held", "_trim", "over")

    def __init__(self) -> None:
        self.over = False  # everything from here on is text
        self._held = ""
        self._closing = ""
        self._trim = False

    def feed(self, text: str) -> list[tuple[Literal["text", "reasoning"], str]]:
        """The pieces this text completes; a possible half tag is held back."""
        if self.over:
            return [("text", text)] if text else []
        self._held += text
        pieces: list[tuple[Literal["text", "reasoning"], str]] = []
        if not self._closing and not self._trim:
            self._open()
        if self._closing:
            thought = self._inside()
            if thought:
                pieces.append(("reasoning", thought))
        if self._trim:
            self._held = self._held.lstrip()
            self.over = bool(self._held)
        if self.over and self._held:
            pieces.append(("text", self._held))
            self._held = ""
        return pieces

    def end(self) -> list[tuple[Literal["text", "reasoning"], str]]:
        """What was held back: an opening that never became a tag is text, a thought that never ended a thought."""
        held, self._held = self._held, ""
        if not held or self._trim or self.over:
            return []
        return [("reasoning" if self._closing else "text", held)]

    def _open(self) -> None:
        bare = self._held.lstrip()
        for opening, closing in TAGS:
            if bare.startswith(opening):
                self._closing, self._held = closing, bare[len(opening) :]
                return
        self.over = not any(opening.startswith(bare) for opening, _ in TAGS)

    def _inside(self) -> str:
        thought, found, rest = self._held.partition(self._closing)
        if found:
            self._held, self._closing, self._trim = rest, "", True
            return thought
        keep = next((n for n in range(len(self._closing) - 1, 0, -1) if self._held.endswith(self._closing[:n])), 0)
        cut = len(self._held) - keep
        thought, self._held = self._held[:cut], self._held[cut:]
        return thought
