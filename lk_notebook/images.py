"""The pictures of a prompt: files, addresses, bytes, figures, arrays become image parts, shrunk where they are large.

PIL, matplotlib and numpy are recognised by what the notebook has loaded, and never loaded here.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from lk_notebook import shrinking
from lk_notebook.core import catalogue
from lk_notebook.errors import ConfigurationError, PromptError

__all__ = ["file", "parts", "refuse_if_blind"]

_DETAILS = ("auto", "low", "high")
_KINDS = "A path, an http(s) address, bytes, a PIL image, a matplotlib figure and a numpy array are images."
_LONGEST_PATH = 1_000  # characters; a longer text is the picture itself, in a form nobody named
_MOST_BYTES = 256_000_000  # of a file that is read at all
_LISTED = 5_000  # names of a folder that are looked at for "did you mean"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif", ".svg")
_DATA_URL = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),(.*)", re.DOTALL | re.IGNORECASE)
_EXACT = 1e-3  # a float image may miss 0 and 1 by so much


@dataclass(frozen=True, slots=True)
class _Bytes:
    """A picture as bytes, and what notes and errors call it."""

    name: str
    data: bytes


def parts(images: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The image parts of a message (OpenAI API reference, "image_url"), and what must be said of them.

    Example:
        >>> parts("https://example.com/cat.jpg")[0]
        [{'type': 'image_url', 'image_url': {'url': 'https://example.com/cat.jpg', 'detail': 'auto'}}]

    `images` is one image or several: a path, an http(s) address (sent as it is, never fetched), a `data:` URL, bytes,
    a PIL image, a matplotlib Figure or Axes, a numpy array (H×W, H×W×3 or H×W×4; uint8, or floats from 0 to 1), an
    IPython Image, or a dict with `url` (any of these) and `detail` (auto, low, high). A file of a type that every
    provider takes, and of a sensible size, goes byte for byte; any other is shrunk or converted, and a note says so.

    Raises:
        PromptError: an image is missing, broken, too large to send, or none at all. Nothing was sent.
    """
    found, notes = [], []
    for image in _several(images):
        url, detail, note = _part(image)
        found.append({"type": "image_url", "image_url": {"url": url, "detail": detail}})
        notes += [note] if note else []
    return found, notes


def file(image: str | os.PathLike[str]) -> bytes:
    """What a picture's file holds, as it is.

    Raises:
        PromptError: it is missing or cannot be read.
    """
    return _of_file(os.fsdecode(os.fspath(image))).data


def refuse_if_blind(model_id: str) -> None:
    """Nothing, unless the model is known to take no images.

    Example:
        >>> refuse_if_blind("openai/gpt-4o"), refuse_if_blind("acme/brand-new-1")
        (None, None)

    Raises:
        ConfigurationError: it is known to take none; the error names models that do, its own vendor's first.
    """
    model = catalogue.find(model_id)
    if model is None or model.images is not False:
        return
    first: dict[str, str] = {}
    for seeing in sorted(catalogue.models(), key=lambda other: other.vendor != model.vendor):
        if seeing.images and seeing.livekit_status == "current":
            first.setdefault(seeing.vendor, seeing.id)
    raise ConfigurationError(f"{model.id} takes no images.", f"These do: {', '.join(first.values())}.")


def _several(images: Any) -> list[Any]:
    if images is None:
        return []
    numpy = sys.modules.get("numpy")
    is_array = numpy is not None and isinstance(images, numpy.ndarray)
    if is_array or isinstance(images, (str, bytes, bytearray, memoryview, Mapping)) or not isinstance(images, Iterable):
        return [images]
    return list(images)


def _part(image: Any) -> tuple[str, str, str]:
    """The URL of the part, its detail, and a note or nothing."""
    detail = "auto"
    if isinstance(image, Mapping):
        image, detail = _with_detail(image)
    if isinstance(image, str) and image[:8].lower().startswith(("http://", "https://")):
        return _address(image), detail, ""
    kind, data, note = _sent(image)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}", detail, note


def _with_detail(given: Mapping[Any, Any]) -> tuple[Any, str]:
    inner = given.get("image_url", given)  # a whole part in OpenAI's form
    inner = inner if isinstance(inner, Mapping) else {"url": inner}
    unknown = [key for key in inner if key not in ("url", "detail")]
    if "url" not in inner or unknown:
        what = f"An image's dict has no {unknown[0]}." if unknown else "An image's dict lacks its url."
        raise PromptError(what, 'Write {"url": …, "detail": "low"}, or the image alone.')
    detail = inner.get("detail", "auto")
    if detail not in _DETAILS:
        raise PromptError(f"The detail of an image is {', '.join(_DETAILS)}, not {detail}.", "Write one of them.")
    return inner["url"], detail


def _address(url: str) -> str:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    if not host or any(character.isspace() for character in url):
        raise PromptError(f"{url} is no address of an image.", "Write it as the browser shows it; blanks are %20.")
    return url


def _sent(image: Any) -> shrinking.Sent:
    """What is sent of an image that is no address: type, bytes, note."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        return shrinking.fit("The image", bytes(image))
    if isinstance(image, (str, os.PathLike)):
        named = os.fspath(image)
        found = _of_data_url(named) if str(named)[:5].lower() == "data:" else _of_file(os.fsdecode(named))
        return shrinking.fit(found.name, found.data)
    if _is(image, "PIL.Image", "Image"):
        return shrinking.fit_pillow("The image", image)
    if _is(image, "IPython.core.display", "Image") or _is(image, "IPython.display", "Image"):
        return _of_ipython(image)
    if _is(image, "matplotlib.artist", "Artist"):
        return shrinking.fit("The figure", _drawn(image))
    if _is(image, "numpy", "ndarray"):
        return shrinking.fit_pixels("The array", _pixels(image))
    raise PromptError(f"{_a(type(image).__name__)} is no image.", _KINDS)


def _is(value: Any, module: str, name: str) -> bool:
    """Whether the value is of a class that the notebook has loaded."""
    loaded = getattr(sys.modules.get(module), name, None)
    return isinstance(loaded, type) and isinstance(value, loaded)


def _a(name: str) -> str:
    return f"{'An' if name[:1].lower() in 'aeiou' else 'A'} {name}"


def _of_data_url(url: str) -> _Bytes:
    found = _DATA_URL.fullmatch(url)
    if not found:
        raise PromptError("The data: URL is cut off: it has no comma.", "Give it whole, or give the bytes.")
    content = unquote_to_bytes(found[3])
    if found[2].lower().endswith(";base64"):
        content = b"".join(content.split())
        try:
            content = base64.b64decode(content + b"=" * (-len(content) % 4), altchars=None, validate=True)
        except ValueError as error:
            raise PromptError("The data: URL holds broken base64.", "Give it whole, or give the bytes.") from error
    return _Bytes("The image", content)


def _of_file(named: str) -> _Bytes:
    if not named.strip() or len(named) > _LONGEST_PATH or "\n" in named:
        raise PromptError("A text that is no path and no address is no image.", _KINDS)
    if "://" in named:
        raise PromptError(f"{named} cannot be sent.", "An address starts with http:// or https://; or name a file.")
    try:
        path = Path(named).expanduser()
        if path.is_file():
            if path.stat().st_size > _MOST_BYTES:
                raise PromptError(f"{path.name} is larger than 256 MB.", "Save a smaller copy of it.")
            return _Bytes(path.name, path.read_bytes())
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # no right to read, a null in the name, no home
        raise PromptError(f"{named} cannot be read: {getattr(error, 'strerror', None) or error}.", _KINDS) from error
    if is_there:
        raise PromptError(f"{named} is {'a folder' if is_folder else 'no file'}.", "Name a picture in it, or another.")
    raise _missing(path, named)


def _missing(path: Path, named: str) -> PromptError:
    if not path.parent.is_dir():
        return PromptError(f"There is no folder {path.parent}.", f"Paths start at {Path.cwd()}.")
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, _LISTED) if entry.name.lower().endswith(_SUFFIXES)]
    except OSError:
        names = []
    near = catalogue.suggest(path.name, sorted(names))
    if near is None:
        return PromptError(f"There is no file {named}.", f"Paths start at {Path.cwd()}.")
    return PromptError(f"There is no file {named}: did you mean {near}?", "Name a file that is there.")


def _of_ipython(image: Any) -> shrinking.Sent:
    data, filename = getattr(image, "data", None), getattr(image, "filename", None)
    if isinstance(data, bytes):
        return shrinking.fit(Path(filename).name if filename else "The image", data)
    if filename:
        return _sent(filename)
    raise PromptError("The IPython Image holds no data, only an address.", "Give the address itself: Image(…).url.")


def _drawn(artist: Any) -> bytes:
    """The figure an artist stands in, as a notebook shows it."""
    figure = artist
    while (outer := getattr(figure, "figure", None)) is not None and outer is not figure:
        figure = outer
    if not hasattr(figure, "savefig"):
        raise PromptError(f"{_a(type(artist).__name__)} stands in no figure.", "Give the figure.")
    file = io.BytesIO()
    try:
        figure.savefig(file, format="png", bbox_inches="tight")
    except Exception as error:  # what the user put into the figure may raise anything when it is drawn
        what = f"The figure cannot be drawn: {type(error).__name__}: {error}"
        raise PromptError(what, "Nothing was sent. Mend the figure.") from error
    return file.getvalue()


def _pixels(array: Any) -> Any:
    """The array as H×W or H×W×C of uint8."""
    numpy = sys.modules["numpy"]
    shape = " × ".join(map(str, array.shape))
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not array.size or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        mend = "Move the channels to the end: numpy.moveaxis(a, 0, -1)." if first else "Give several as a list."
        raise PromptError(f"An array of {shape} is no image: it is H × W, H × W × 3 or H × W × 4.", mend)
    if array.dtype.kind not in "buif":
        raise PromptError(f"An array of {array.dtype} is no image.", "Its values are uint8, or floats from 0 to 1.")
    low, high = array.min(), array.max()
    scale = 255 if array.dtype.kind in "bf" else 1
    slack = _EXACT if array.dtype.kind == "f" else 0
    if not (-slack <= low and high <= 255 / scale + slack):  # nan is never within
        what = f"The values of the array go from {low} to {high}."
        raise PromptError(what, "Scale them: floats from 0 to 1, or integers from 0 to 255.")
    return numpy.rint(numpy.clip(array * float(scale), 0, 255)).astype("uint8") if scale > 1 else array.astype("uint8")
