"""Pictures in a size that is worth sending: a good one goes byte for byte, any other through Pillow, if it is there."""

from __future__ import annotations

import importlib
import io
import struct
import warnings
import zlib
from typing import Any, NamedTuple

from lk_notebook.core import pictures
from lk_notebook.errors import PromptError

__all__ = ["Sent", "fit", "fit_pillow", "fit_pixels"]

LONGEST_SIDE = 2_048  # pixels; OpenAI scales to this before it looks, others to less
MOST_BYTES = 3_000_000  # 4 MB as base64: Groq's limit of a request, and 30 s at Binder's 1 Mbit/s
_PLENTY = 1_000_000  # a PNG larger than this becomes a JPEG, where nothing in it is transparent
_QUALITY = 85  # of a JPEG: text in it stays sharp
_CAMERA = frozenset({"JPEG", "MPO", "HEIF", "AVIF"})  # Pillow's names of formats that photos come in
_GREYS = 255
_BROKEN = "The data is broken or cut off."
_MENDS = {
    "svg": "Save it as PNG: an SVG is a drawing that only a browser or an editor can draw.",
    "pdf": "Save the page as PNG: a PDF is no picture.",
    "heic": "Save it as JPEG; or pip install pillow-heif, then pillow_heif.register_heif_opener().",
}
# What Pillow's readers raise on broken data.
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    struct.error,
    zlib.error,
    MemoryError,
)


class Sent(NamedTuple):
    """What is sent of a picture: its type (jpeg, png, webp, gif), its bytes; and a note, or nothing."""

    kind: str
    data: bytes
    note: str = ""


def fit(name: str, data: bytes) -> Sent:
    r"""The bytes as they are where they can be sent so; else shrunk or converted. `name` is for notes and errors.

    Example:
        >>> pixel = pictures.png(1, 1, 1, b"\x00")
        >>> fit("dot.png", pixel) == ("png", pixel, "")
        True

    Raises:
        PromptError: broken, of a type that cannot be read, or too large and no Pillow to shrink it.
    """
    kind = pictures.type_of(data)
    if not data:
        raise PromptError(f"{name} is empty.", "Name another picture, or save this one again.")
    if kind in pictures.TYPES:
        size = pictures.size(data)
        if size is None:
            raise PromptError(f"{name} cannot be read as {kind.upper()}. {_BROKEN}", "Save it again, or name another.")
        if max(size) <= LONGEST_SIDE and len(data) <= MOST_BYTES:
            return Sent(kind, data)
        problem = f"{name} is too large to be sent: {_pixels(size)}, {_megabytes(data)}."
    elif kind in ("svg", "pdf"):
        raise PromptError(f"{name} is of type {kind.upper()}, which no model takes.", _MENDS[kind])
    else:
        problem = (
            f"{name} is {f'of type {kind.upper()}' if kind else 'of an unknown type'}, not JPEG, PNG, WebP or GIF."
        )
    return _through_pillow(name, data, problem)


def fit_pixels(name: str, pixels: Any) -> Sent:
    """A numpy array of uint8, H×W or H×W×C, as a picture.

    Raises:
        PromptError: too large, and no Pillow to shrink it.
    """
    height, width = pixels.shape[:2]
    pillow = _pillow() if max(height, width) > LONGEST_SIDE else None
    if pillow is not None:
        return fit_pillow(name, pillow.fromarray(pixels))
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return fit(name, pictures.png(width, height, channels, pixels.tobytes()))


def fit_pillow(name: str, image: Any) -> Sent:
    """A PIL image as a picture; the image itself stays as it is.

    Turned as its EXIF says; EXIF and other texts, which may say where it was taken, do not go along.

    Raises:
        PromptError: it cannot be read.
    """
    try:
        return _encoded(name, image)
    except _UNREADABLE as error:
        raise PromptError(f"{name} cannot be read: {error}", "Save it again, or give another.") from error


def _pillow() -> Any:
    """Pillow's module Image, or None where it is not installed."""
    try:
        return importlib.import_module("PIL.Image")
    except ImportError:
        return None


def _through_pillow(name: str, data: bytes, problem: str) -> Sent:
    kind = pictures.type_of(data)
    pillow = _pillow()
    if pillow is None:
        mend = f"pip install pillow, and it is done for you; or save it as PNG or JPEG of at most {_limits()}."
        raise PromptError(problem, mend)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd data, and of many pixels: the user named it
            with pillow.open(io.BytesIO(data)) as image:
                sent = _encoded(name, image)
    except pillow.DecompressionBombError as error:
        raise PromptError(f"{name} has too many pixels to be read safely.", "Save a smaller copy of it.") from error
    except pillow.UnidentifiedImageError as error:
        raise PromptError(problem, _MENDS.get(kind or "", "Is it a picture? Save it as PNG or JPEG.")) from error
    except _UNREADABLE as error:
        raise PromptError(f"{name} cannot be read. {_BROKEN}", "Save it again, or name another.") from error
    if sent.note:
        return sent
    if kind in pictures.TYPES:
        return sent._replace(note=f"{name} was shrunk from {_megabytes(data)} to {_megabytes(sent.data)}.")
    return sent._replace(note=f"{name} was converted to {sent.kind.upper()}.")


def _encoded(name: str, image: Any) -> Sent:
    """The first picture of the image, turned, shrunk, and written as PNG or JPEG."""
    frames, photo = getattr(image, "n_frames", 1), image.format in _CAMERA
    turned = importlib.import_module("PIL.ImageOps").exif_transpose(image)  # a copy: the user's image stays as it is
    shown, stretched = _shown(turned)
    before = shown.size
    shown.thumbnail((LONGEST_SIDE, LONGEST_SIDE), reducing_gap=2.0)
    kind, data, after = _compressed(shown, photo=photo)
    notes = []
    if after != before:
        notes.append(f"{name} was shrunk from {_pixels(before)} to {_pixels(after)}.")
    if stretched:
        notes.append(f"{name} has more than 256 greys: they were stretched between black and white.")
    if frames > 1 and image.format not in ("MPO", "HEIF"):  # a phone's photo holds a second picture nobody looks at
        notes.append(f"{name} holds {frames} pictures: the one it shows now is sent.")
    return Sent(kind, data, " ".join(notes))


def _shown(image: Any) -> tuple[Any, bool]:
    """The image as L, RGB or RGBA, without what else it knows; and whether its greys were stretched."""
    if image.mode.startswith(("I", "F")):
        low, high = image.getextrema()
        stretched = low < 0 or high > _GREYS
        step = _GREYS / (high - low) if stretched and high > low else 1.0
        start = low if stretched else 0.0
        shown = image.convert("F").point(lambda grey: grey * step - start * step).convert("L")
        shown.info = {}
        return shown, stretched
    profile = image.info.get("icc_profile") if image.mode == "RGB" else None
    mode = "RGBA" if image.has_transparency_data else "L" if image.mode in ("1", "L") else "RGB"
    shown = image.convert(mode)
    if mode == "RGBA" and shown.getextrema()[3][0] == _GREYS:  # a screenshot: an alpha that hides nothing
        shown = shown.convert("RGB")
    shown.info = {"icc_profile": profile} if profile else {}  # the camera, the place and the comments stay here
    return shown, False


def _compressed(image: Any, *, photo: bool) -> tuple[str, bytes, tuple[int, int]]:
    """PNG for drawings and what is transparent, JPEG for photos; smaller and smaller until it may be sent."""
    while True:
        opaque = image.mode != "RGBA"
        if not (photo and opaque):
            data = _saved(image, format="PNG")
            if len(data) <= (_PLENTY if opaque else MOST_BYTES):
                return "png", data, image.size
        if opaque:
            data = _saved(image, format="JPEG", quality=_QUALITY, icc_profile=image.info.get("icc_profile"))
            if len(data) <= MOST_BYTES:
                return "jpeg", data, image.size
        info = image.info
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)))
        image.info = info


def _saved(image: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def _pixels(size: tuple[int, int]) -> str:
    return " × ".join(f"{side:,}".replace(",", " ") for side in size)


def _megabytes(data: bytes) -> str:
    return f"{len(data) / 1_000_000:.1f} MB"


def _limits() -> str:
    return f"{_pixels((LONGEST_SIDE, LONGEST_SIDE))} pixels and {MOST_BYTES // 1_000_000} MB"
