"""The local model's own process: llama.cpp's server, until nobody holds its stdin any more.

The first line of stdin says what to serve; the first line of stdout is its address, or why there is none.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from lk_notebook.net import cache

#: Linux's prctl: a signal for this process when the one that started it ends.
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Serves until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints belongs into the log
    _die_with_parent(signal.SIGKILL)
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_watch, args=[order["host"]], daemon=True).start()
    try:
        server = _serve(order)
        said = {"address": server.listening_address}
    except Exception as error:  # noqa: BLE001 - whatever it is, the notebook tells it
        said = {"error": str(error) or type(error).__name__}
    print(json.dumps(said), file=out, flush=True)
    if "error" in said:
        return 1
    _die_with_parent(0)  # from here on `_watch` runs, and leaves nothing behind
    threading.Event().wait()
    return 0


def _die_with_parent(number: int) -> None:
    """The signal that this process gets when its parent ends: while the weights are read, no thread can watch stdin."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - for this system alone

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def _watch(host: str) -> None:
    """Ends this process when nobody holds its stdin any more, and takes its folder along."""
    sys.stdin.buffer.read()
    folder = Path(host).parent
    if host.endswith(".sock"):
        with contextlib.suppress(OSError):
            for each in (host, folder / "log"):
                Path(each).unlink(missing_ok=True)
            folder.rmdir()
    os._exit(0)


def _serve(order: dict[str, Any]) -> Any:
    """The server, taking questions."""
    file = Path(order["model"])
    if order["sha256"] and cache.sha256(file) != order["sha256"]:
        raise ValueError(f"{file} is not the file it should be.")
    if order["memory"] and sys.platform == "linux":
        import resource  # noqa: PLC0415 - Windows has none

        resource.setrlimit(resource.RLIMIT_AS, (order["memory"] << 20,) * 2)
    import xllamacpp  # noqa: PLC0415 - what fails in it is told

    params = xllamacpp.CommonParams()
    for name, value in order["settings"].items():
        setattr(params, name, value)
    params.model.path = str(file)
    params.model_alias = {order["alias"]}
    params.hostnames, params.port, params.api_keys = [order["host"]], 0, [order["token"]]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = order["threads"]
    return xllamacpp.Server(params)


if __name__ == "__main__":
    sys.exit(main())
