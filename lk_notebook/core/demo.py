"""What the built-in demo says. It is scripted, and says so in its first line: it never plays a language model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: What the footer says about it.
NOTE = "built in · demo, not a language model"

_FIRST = (
    "*The built-in demo, not a language model: this was written in advance. A real one answers once "
    "`LIVEKIT_API_KEY` and `LIVEKIT_API_SECRET`, or a key such as `OPENAI_API_KEY`, are set.*\n\n"
)

#: Words of the prompt -> the answer. The first row whose words all occur wins.
_ANSWERS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("sky", "blue"),
        "**The sky is blue because air scatters blue light more than red.**\n\n"
        "1. Sunlight holds all colours.\n"
        "2. Molecules of air are far smaller than a wavelength of light. They scatter light with the fourth power of "
        "its frequency (Rayleigh scattering):\n\n"
        "$$I \\propto \\frac{1}{\\lambda^4}$$\n\n"
        "3. Blue (about 450 nm) is therefore scattered some four times as much as red (about 650 nm), and reaches "
        "the eye from all sides.\n\n"
        "At sunset the way through the air is longer: the blue is gone, and red is left.",
    ),
    (
        ("overfitting",),
        "**Overfitting** is learning the noise of the training data together with its pattern.\n\n"
        "| | training error | test error |\n|---|---|---|\n| too simple | high | high |\n| right | low | low |\n"
        "| overfitted | very low | high |\n\n"
        "What helps: more data, a simpler model, regularisation, early stopping.",
    ),
    (
        ("haiku",),
        "Written in advance,\nthese seventeen syllables\nwere not made by me.",
    ),
    (
        ("python",),
        "A function that counts words:\n\n```python\nfrom collections import Counter\n\n\n"
        "def count(text: str) -> Counter[str]:\n    return Counter(text.lower().split())\n```\n",
    ),
)

_OTHERWISE = (
    "I have no answer written for this. Here is what you asked, as it arrived:\n\n{quoted}\n\n"
    'Written answers: "Why is the sky blue?", "Explain overfitting", "Show me some Python", "Write a haiku". '
    'Put "slowly" into a prompt and the answer takes its time, so that you can try the stop button; '
    'put "play an error" into it and you see one.'
)


@dataclass(frozen=True, slots=True)
class Script:
    """What is answered, and how: seconds between two words, or a refusal."""

    text: str = ""
    pause: float = 0.012
    status: int = 200
    error: Mapping[str, Any] | None = None
    prompt_words: int = 0


def script(body: Mapping[str, Any]) -> Script:
    """The scripted answer to a Chat Completions request.

    Example:
        >>> script({"messages": [{"role": "user", "content": "Play an error, please."}]}).status
        400
    """
    messages = body.get("messages") or []
    asked = next((str(m.get("content") or "") for m in reversed(messages) if m.get("role") == "user"), "")
    words = asked.lower()
    if "play an error" in words:
        return Script(status=400, error={"error": {"message": "This is the error you asked for.", "code": "demo"}})
    text = next((text for need, text in _ANSWERS if all(word in words for word in need)), None)
    if text is None:
        text = _OTHERWISE.replace("{quoted}", "\n".join(f"> {line}" for line in asked[:2000].splitlines()))
    count = sum(len(str(m.get("content") or "").split()) for m in messages)
    return Script(_FIRST + text, pause=0.25 if "slowly" in words else 0.012, prompt_words=count)
