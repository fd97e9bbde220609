"""The bytes of a picture: what type they are, how large the picture is, whether they are whole. Nothing is decoded."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator

#: The types every provider takes (LiveKit's SDK: data of type jpeg, png, webp or gif).
TYPES = ("jpeg", "png", "webp", "gif")

_PNG = b"\x89PNG\r\n\x1a\n"
_MAGIC: dict[str, Callable[[bytes], bool]] = {
    "jpeg": lambda data: data.startswith(b"\xff\xd8\xff"),
    "png": lambda data: data.startswith(_PNG),
    "webp": lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP",
    "gif": lambda data: data[:6] in (b"GIF87a", b"GIF89a"),
    "bmp": lambda data: data.startswith(b"BM"),
    "tiff": lambda data: data[:4] in (b"II*\0", b"MM\0*"),
    "heic": lambda data: data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc", b"ftypheim"),
    "avif": lambda data: data[4:12] in (b"ftypavif", b"ftypavis"),
    "pdf": lambda data: data.startswith(b"%PDF-"),
    "svg": lambda data: (
        re.match(rb"(?s)\s*(?:<\?xml.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<svg\b", data[:4096]) is not None
    ),
}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG markers without a length
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG markers that tell height and width


def type_of(data: bytes) -> str | None:
    """The type by the first bytes, whatever a name says: one of `TYPES`, another that is known, or None.

    Example:
        >>> type_of(b"GIF89a..."), type_of(b"hello")
        ('gif', None)
    """
    return next((name for name, begins in _MAGIC.items() if begins(data)), None)


def size(data: bytes) -> tuple[int, int] | None:
    r"""Width and height in pixels of a picture of one of `TYPES`; None where the data is broken or cut off.

    Example:
        >>> size(png(2, 1, 1, b"\x00\xff")), size(png(2, 1, 1, b"\x00\xff")[:-9])
        ((2, 1), None)

    PNG: each block and its checksum are read. JPEG, GIF, WebP: the header, and that the end is there.
    """
    reader = _SIZES.get(type_of(data) or "")
    try:
        found = reader(data) if reader else None
    except (struct.error, IndexError):
        return None
    return found if found and min(found) > 0 else None


def png(width: int, height: int, channels: int, pixels: bytes) -> bytes:
    r"""Pixels, row by row with 8 bits a channel, as a PNG: 1 channel is grey, 3 are RGB, 4 are RGBA.

    Example:
        >>> png(1, 1, 3, b"\xff\x00\x00")[:8] == b"\x89PNG\r\n\x1a\n"
        True
    """
    row = width * channels
    lines = b"".join(b"\0" + pixels[at : at + row] for at in range(0, height * row, row))  # 0: the row is not filtered
    colour = {1: 0, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    blocks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b""))
    return _PNG + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in blocks
    )


def _blocks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The blocks of a PNG up to its end; ends early at the first that is broken."""
    at = len(_PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        check = data[at + 8 + length : at + 12 + length]
        if len(check) != 4 or zlib.crc32(kind + body) != int.from_bytes(check, "big"):
            return
        yield kind, body
        if kind == b"IEND":
            return
        at += 12 + length


def _png_size(data: bytes) -> tuple[int, int] | None:
    blocks = list(_blocks(data))
    kinds = [kind for kind, _ in blocks]
    if not blocks or kinds[0] != b"IHDR" or kinds[-1] != b"IEND" or b"IDAT" not in kinds:
        return None
    width, height = struct.unpack_from(">II", blocks[0][1])
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return (width, height) if data.rfind(b"\xff\xd9") > at else None
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _gif_size(data: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack_from("<HH", data, 6)
    return (width, height) if data.rstrip(b"\0").endswith(b";") else None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


_SIZES = {"png": _png_size, "jpeg": _jpeg_size, "gif": _gif_size, "webp": _webp_size}
