"""A kernel with a front end that hears what its widgets say, and a widget as its view knows it."""

from __future__ import annotations

from typing import Any

from kernels import Kernel, livekit
from player import Player


class Seat(Kernel):
    """A kernel with a LiveKit account; `opened` are the states of its widgets, `heard` the messages to their views."""

    def __init__(self, player: Player) -> None:
        self.opened: dict[str, Any] = {}
        self.heard: list[tuple[str, Any]] = []
        self.player = player
        super().__init__(livekit(player))

    def _output(self, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        if kind == "comm_open":
            self.opened[content["comm_id"]] = content["data"]["state"]
        elif kind == "comm_msg" and content["data"].get("method") == "custom":
            self.heard += [(content["comm_id"], each) for each in content["data"]["content"].get("all", ())]
        super()._output(message)


class Widget:
    """A widget that a cell shows, as the variable `panel`: what its view was told, and what that sends."""

    def __init__(self, seat: Seat, source: str) -> None:
        self.seat, before = seat, set(seat.opened)
        self.cell = seat.run(f"{source}\npanel", answers=[])  # somebody sits before it
        assert self.cell.status == "ok", self.cell.shown
        self.id = next(each for each in seat.opened if each not in before and "kind" in seat.opened[each])

    def send(self, **content: Any) -> None:
        """What the view sends."""
        data = {"method": "custom", "content": content}
        message = self.seat.client.session.msg("comm_msg", {"comm_id": self.id, "data": data})
        self.seat.client.shell_channel.send(message)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The messages of this kind, so far."""
        return [each for where, each in self.seat.heard if where == self.id and each["t"] == kind]

    def wait(self, kind: str, holds: Any = lambda _: True) -> dict[str, Any]:
        """The last message of this kind, once one is as it should be."""
        assert self.seat.wait(lambda: any(holds(each) for each in self.told(kind))), self.told(kind)[-2:]
        return [each for each in self.told(kind) if holds(each)][-1]

    def value(self, expression: str) -> str:
        """What Python says of it."""
        cell = self.seat.run(f"print({expression})")
        assert cell.status == "ok", cell.shown
        return cell.shown.strip()
