"""A streaming server in a process of its own, for the benchmarks: as fast as asyncio writes, or at a pace.

    python server.py  ->  prints its port

POST …/v1/chat/completions; the prompt says what to play: "chunks=5000", "pieces=10 seconds=0.2", "size=10000000";
"fault=3" a fault of that number, the first time that this prompt is asked; "rpm=60" a limit of requests a minute.
GET tells how many were asked since the last GET, and how many of them were refused for their pace.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

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


async def play(writer: asyncio.StreamWriter, prompt: str, headers: bytes = b"") -> None:
    """What the prompt asks for."""
    asked = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", prompt)}
    writer.write(HEAD[:-2] + headers + b"\r\n" + http(event({"role": "assistant", "content": ""})))
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


class Counts:
    """What was asked, and what is left of a limit: refilled evenly, and full at first."""

    def __init__(self) -> None:
        self.asked = self.refused = 0
        self.seen: set[str] = set()
        self.left, self.at = None, 0.0

    def told(self) -> dict:
        """The counts, which begin anew."""
        found = {"asked": self.asked, "refused": self.refused}
        self.__init__()
        return found

    def room(self, rpm: float) -> tuple[bool, str]:
        """Whether one more is let in, and the headers that say what is left."""
        now = time.monotonic()
        self.left = rpm if self.left is None else min(rpm, self.left + (now - self.at) * rpm / 60)
        self.at, let_in = now, self.left >= 1
        self.left -= let_in
        self.refused += not let_in
        told = {"limit": int(rpm), "remaining": int(self.left), "reset": f"{60 / rpm:.2f}s"}
        headers = "".join(f"x-ratelimit-{name}-requests: {value}\r\n" for name, value in told.items())
        wait = f"retry-after: {max(0.0, (1 - self.left) * 60 / rpm):.2f}\r\n"
        return let_in, headers if let_in else headers + wait


COUNTS = Counts()
FAULTS = 6


def plain(status: str, body: dict, headers: str = "") -> bytes:
    """An answer that is no stream."""
    content = json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(content)}\r\n{headers}\r\n".encode() + content


def spoil(writer: asyncio.StreamWriter, number: int) -> bool:
    """A fault in place of an answer; whether the connection is still of use."""
    begun = HEAD + http(event({"role": "assistant", "content": ""})) + http(event({"content": " wor"}))
    broken = {"error": {"message": "a fault"}}
    if number in (0, 1):
        status, headers = (("500 Error", ""), ("429 Too Many", "retry-after: 0.1\r\n"))[number]
        writer.write(plain(status, broken, headers))
        return True
    if number == 2:
        writer.write(b"no HTTP\r\n\r\n")
    else:
        writer.write(begun + {3: b"", 4: b"0\r\n\r\n", 5: http(b'data: {"choices": [{"delta": \n\n')}[number])
    return number == 4


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, kept alive."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if head.startswith(b"GET"):
                writer.write(plain("200 OK", COUNTS.told()))
                continue
            size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            prompt = json.loads(await reader.readexactly(size))["messages"][-1]["content"]
            COUNTS.asked += 1
            fault, rpm = re.search(r"fault=(\d)", prompt), re.search(r"rpm=(\d+)", prompt)
            let_in, headers = COUNTS.room(float(rpm[1])) if rpm else (True, "")
            if not let_in:
                writer.write(plain("429 Too Many", {"error": {"message": "too many"}}, headers))
            elif fault and prompt not in COUNTS.seen:
                COUNTS.seen.add(prompt)
                if not spoil(writer, int(fault[1])):
                    break
            else:
                await play(writer, prompt, headers.encode())
    except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
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
