"""Runs exported Python programs, each with LiveKit's own SDK: jobs come on stdin as JSON, and a word on each goes out.

A job is {file, env, prompt, tools, session, voice}. Its program is imported, and its session's LLM is asked as an
AgentSession asks it; with `session` a whole session is run; with `voice` it has ears, a voice, and turn detection.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from typing import Any

from livekit.agents import Agent, AgentSession, APIConnectOptions
from livekit.agents.llm import LLM, ChatContext

OPTIONS = APIConnectOptions(max_retry=0, timeout=30)


async def ask(job: dict[str, Any]) -> str:
    """What the program's model answered."""
    os.environ.update(job["env"])
    spec = importlib.util.spec_from_file_location("program", job["file"])
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    session = program.build_session()
    assert isinstance(session, AgentSession)
    if job.get("voice"):
        assert session.stt
        assert session.tts
        assert session.vad
        assert session.turn_detection
    assert isinstance(session.llm, LLM)
    assert type(session.llm) is type(program.llm())
    chat, tools = ChatContext.empty(), [getattr(program, name) for name in job["tools"]]
    if job.get("session"):
        await session.start(Agent(instructions=program.instructions, tools=tools))
        result = await session.run(user_input=job["prompt"])
        await session.aclose()
        return str(result.events[-1].item.text_content)
    if program.instructions:
        chat.add_message(role="system", content=program.instructions)
    chat.add_message(role="user", content=job["prompt"])
    stream = session.llm.chat(chat_ctx=chat, tools=tools, conn_options=OPTIONS)
    said = [chunk.delta.content or "" async for chunk in stream if chunk.delta]
    await session.llm.aclose()
    return "".join(said)


async def main() -> None:
    """One job after the other."""
    for job in json.load(sys.stdin):
        try:
            said = {"text": await ask(job)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
            said = {"error": f"{type(error).__name__}: {error}, from {error.__cause__!r}"}
        print(json.dumps(said), flush=True)


asyncio.run(main())
os._exit(0)  # LiveKit's native threads are not waited for
