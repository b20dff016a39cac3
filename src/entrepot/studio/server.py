"""The server behind the page: loopback only, the gate in front, one process, one folder.

`serve` is what the command calls. The port of the last time is taken again where it is free, and the
cookie's secret is the folder's own, so a page that is open goes on after a restart.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from nicegui import ui

from entrepot.errors import SetupError
from entrepot.studio.analyst import Analyst
from entrepot.studio.checks import Checks
from entrepot.studio.page import StudioPage
from entrepot.studio.past_runs import PastRun
from entrepot.studio.run_board import RunBoard
from entrepot.studio.runs import Run
from entrepot.studio.security import Gate
from entrepot.studio.studio import Studio

MOST_MESSAGE_BYTES = 4_000_000
# Also says how long a page may be too busy to answer: on a machine that does much else, seconds.
RECONNECT_S = 20.0
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0f766e"/>'
    '<path d="M22 11.5A7.5 7.5 0 1 0 22.6 20M9 16h13" fill="none" stroke="#fff" stroke-width="3"/></svg>'
)


class CannotServeError(SetupError):
    """The port that was asked for is not to be had. Fields: `port`, `reason`."""

    port: int
    reason: str

    def __str__(self) -> str:
        return f"port {self.port}: {self.reason}\n  to take any that is free:  entrepot studio"


def serve(folder: str, *, port: int | None, python: str | None, tell: Callable[[str], None]) -> None:
    """Show a folder until the process is told to end. `tell` gets the address to open.

    Raises:
        CannotServeError: the port is taken.
    """
    studio = Studio(folder, python)
    handle = bind(port, studio.session.port)
    number = handle.getsockname()[1]
    studio.session.port = number
    studio.state.save()
    token = secrets.token_urlsafe(24)
    app = make_app(studio)
    gate = Gate(app, port=number, token=token, secret=studio.session.secret)
    config = uvicorn.Config(
        gate,
        log_level="warning",
        access_log=False,
        ws_max_size=MOST_MESSAGE_BYTES,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    server.tell = lambda: tell(f"http://127.0.0.1:{number}/?token={token}")
    server.run(sockets=[handle])


class _Server(uvicorn.Server):
    """Says when it answers."""

    tell: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.tell()


def bind(port: int | None, last: int) -> socket.socket:
    """Return a socket bound to a loopback port: the one asked for, else the last one, else any."""
    for number in [port] if port is not None else [last, 0] if last else [0]:
        handle = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            handle.bind(("127.0.0.1", number))
        except OSError as error:
            handle.close()
            reason = error.strerror or str(error)
            continue
        except OverflowError:
            handle.close()
            raise CannotServeError(port=number, reason="a port is a number from 1 to 65535") from None
        return handle
    raise CannotServeError(port=port or 0, reason=reason)


def make_app(studio: Studio) -> FastAPI:
    """Return the application of a folder (one in a process: NiceGUI has one table of pages)."""
    board = RunBoard(studio)
    analyst = Analyst(studio.care)
    checks = Checks(studio, analyst)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        studio.start()
        checks.start()
        try:
            yield
        finally:
            await board.close()
            await checks.end()
            analyst.close()
            await studio.end()

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)

    @app.websocket("/terminal/{number}")
    async def _terminal(connection: WebSocket, number: str) -> None:
        await serve_terminal(connection, board, number)

    @ui.page("/", title=f"{studio.name} · entrepot", response_timeout=20)
    async def _page() -> None:
        await StudioPage(studio, board, analyst, checks).build()

    # Where the page says that it may use the network, it is told no: everything is served from here.
    os.environ.setdefault("NICEGUI_STORAGE_PATH", os.path.join(studio.state.folder, "nicegui"))
    ui.run_with(
        app,
        title=studio.name,
        favicon=ICON,
        language="en-US",
        dark=None,
        reconnect_timeout=RECONNECT_S,
        tailwind=False,
        show_welcome_message=False,
        message_history_length=200,
    )
    return app


async def serve_terminal(connection: WebSocket, board: RunBoard, number: str) -> None:
    """Carry what a run writes to a page's terminal, and what is typed there to the run."""
    await connection.accept()
    shown = board.find(number)
    if shown is None:
        await connection.close(4404)
        return
    waiting: asyncio.Queue[bytes] = asyncio.Queue()
    kept = shown.run.listen(waiting.put_nowait)
    listener = board.attach(shown)

    async def send() -> None:
        if kept:
            await connection.send_bytes(kept)
        while True:
            data = await waiting.get()
            while not waiting.empty():
                data += waiting.get_nowait()
            await connection.send_bytes(data)

    sending = asyncio.get_running_loop().create_task(send())
    try:
        while True:
            take_message(shown.run, await connection.receive_text())
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        board.detach(shown, listener)


def take_message(run: Run | PastRun, text: str) -> None:
    """Do what a terminal's message asks for; what is no such message is let go."""
    try:
        message = json.loads(text)
    except ValueError:
        return
    if not isinstance(message, dict):
        return
    typed, size, shown = message.get("input"), message.get("size"), message.get("shown")
    if isinstance(typed, str):
        run.write(typed.encode("utf-8", "replace"))
    if isinstance(size, list) and len(size) == 2 and all(type(number) is int for number in size):
        run.resize(size[0], size[1])
    if type(shown) is int:
        run.acknowledge(shown)
