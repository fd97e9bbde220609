"""A streaming server in a process of its own, for the benchmarks: as fast as asyncio writes, or at a pace.

    python server.py  ->  prints its port

POST …/v1/chat/completions; the prompt says what to play: "chunks=5000", "pieces=10 seconds=0.2", "size=10000000".
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

PAD = "fp_" + "0" * 24
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def event(delta: dict, finish: str | None = None, usage: dict | None = None) -> bytes:
    """One chunk of about 330 bytes, as OpenAI sends them."""
    choices = [] if usage else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    body = {"id": "chatcmpl-bench0123456789abcdef", "object": "chat.completion.chunk", "created": 1764000000}
    body |= {"model": "gpt-4.1-mini-2025-04-14", "service_tier": "default", "system_fingerprint": PAD}
    body |= {"choices": choices, "usage": usage, "obfuscation": "aZ8hKq2LmN0pQw3rT5y"}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def http(data: bytes) -> bytes:
    """One chunk of HTTP's chunked encoding."""
    return b"%x\r\n%s\r\n" % (len(data), data)


async def play(writer: asyncio.StreamWriter, prompt: str) -> None:
    """What the prompt asks for."""
    asked = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", prompt)}
    writer.write(HEAD + http(event({"role": "assistant", "content": ""})))
    pieces = int(asked.get("chunks") or asked.get("pieces") or 10)
    word = " word" if "size" not in asked else "x" * 40
    if "size" in asked:
        pieces = int(asked["size"]) // len(word)
    one, pause = http(event({"content": word})), asked.get("seconds", 0) / pieces
    for i in range(pieces):
        writer.write(one)
        if pause:
            await asyncio.sleep(pause)
        elif i % 64 == 0:
            await writer.drain()
    usage = {"prompt_tokens": 5, "completion_tokens": pieces, "total_tokens": pieces + 5}
    writer.write(http(event({}, "stop")) + http(event({}, usage=usage)) + http(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    await writer.drain()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, kept alive."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            body = json.loads(await reader.readexactly(size))
            await play(writer, body["messages"][-1]["content"])
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serves until stdin ends."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
