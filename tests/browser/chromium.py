"""Drive a Chromium without a window over its debugging pipe; nothing but the browser is needed."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--remote-debugging-pipe",
)
_PATIENCE_S = 300.0  # on a machine that has much else to do
_ABOVE = 10  # descriptors of our own, out of the way of 3 and 4


class BrowserError(RuntimeError):
    """The browser gave no answer, or one that says that we asked for nonsense."""


def browser() -> str | None:
    """The program, if one is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass(slots=True, eq=False)
class Tab:
    """One page in the browser.

    Attributes:
        events: What the browser has told meanwhile.
    """

    _to: int
    _from: int
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    _heard: bytes = b""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and wait for its result."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while (answer := self._hear()).get("id") != number:
            self.events.append(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path) -> None:
        """Show a file, and wait until it is loaded."""
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._hear())

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise BrowserError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        """Press a key and let it go, as a person does."""
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        common = {"key": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    def resize(self, width: int, height: int) -> None:
        """Give the page so many pixels."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def screenshot(self) -> bytes:
        """What is in the window, as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])

    def told(self, method: str) -> list[dict[str, Any]]:
        """The parameters of every event of this kind."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._heard:
            if not select.select([self._from], [], [], _PATIENCE_S)[0]:
                raise BrowserError("the browser does not answer")
            more = os.read(self._from, 1 << 16)
            if not more:
                raise BrowserError("the browser has ended")
            self._heard += more
        message, _, self._heard = self._heard.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def chromium(program: str, scratch: Path) -> Iterator[Tab]:
    """A running browser with an empty profile in `scratch`, and one tab."""
    theirs_in, ours_out = map(_moved_up, os.pipe())
    ours_in, theirs_out = map(_moved_up, os.pipe())
    log = os.open(scratch / "browser.log", os.O_WRONLY | os.O_CREAT)
    arguments = [program, *FLAGS, f"--user-data-dir={scratch / 'profile'}", "about:blank"]
    actions = [
        (os.POSIX_SPAWN_DUP2, theirs_in, 3),  # where a debugging pipe is looked for
        (os.POSIX_SPAWN_DUP2, theirs_out, 4),
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
    ]
    environment = {**os.environ, "HOME": str(scratch)}
    process = os.posix_spawn(program, arguments, environment, file_actions=actions, setpgroup=0)
    for descriptor in (theirs_in, theirs_out, log):
        os.close(descriptor)
    tab = Tab(ours_out, ours_in)
    try:
        _attach(tab)
        yield tab
    finally:
        tab.session = ""
        with suppress(BrowserError, OSError):
            tab.ask("Browser.close")
        _end(process)
        os.close(ours_out)
        os.close(ours_in)


def _attach(tab: Tab) -> None:
    target = tab.ask("Target.createTarget", url="about:blank")["targetId"]
    tab.session = tab.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        tab.ask(f"{domain}.enable")


def _moved_up(descriptor: int) -> int:
    """The same pipe under a higher number, closed in children."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ABOVE)
    os.close(descriptor)
    return moved


def _end(process: int) -> None:
    """Wait for the browser to go; kill its own group of processes if it does not."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if os.waitpid(process, os.WNOHANG)[0]:
            return
        time.sleep(0.05)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
