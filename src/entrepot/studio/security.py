"""The gate in front of the studio: who may ask, from where, and how much at once.

Somebody may ask who holds the cookie that the first address (with its token) has set, and whose
request names this server in `Host` (so that another site's name pointed at this machine is of no
use) and comes from a page of this server where it says where it comes from (`Origin`). HTTP and
WebSocket alike (WebSocket has no same-origin policy of its own, RFC 6455, 10.2).

Anything else is answered here; what is behind the gate never sees it.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BODY_BYTES = 4_000_000

# Vue makes functions from the templates of components, and the page begins with an inline script.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' {socket}; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a request: status 0 lets it in, 303 sets the cookie, others refuse for a reason."""

    status: int
    reason: str = ""


class Gate:
    """An ASGI application that lets through to another what may pass."""

    def __init__(self, app: App, *, port: int, token: str, secret: str) -> None:
        self.app = app
        self.token = token
        self.secret = secret
        self.cookie = f"entrepot-{port}"
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        if port == 80:
            self.hosts |= {"127.0.0.1", "localhost"}

    def judge(self, scope: Scope) -> Verdict:
        """Decide about a request by its head."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        host = headers.get("host", [])
        if len(host) != 1 or host[0].lower() not in self.hosts:
            return Verdict(421, "This address is not the studio's. Open the address that it printed.")
        is_socket = scope["type"] == "websocket"
        origins = headers.get("origin", [])
        is_safe = not is_socket and scope["method"] in ("GET", "HEAD")
        if origins != [f"http://{host[0].lower()}"] and (origins or not is_safe):
            return Verdict(403, "The request comes from another site.")
        if headers.get("sec-fetch-site", ["none"])[0] in ("cross-site", "same-site") and (
            headers.get("sec-fetch-mode", [""])[0] != "navigate" or not is_safe
        ):
            return Verdict(403, "The request comes from another site.")
        length = headers.get("content-length", ["0"])[0]
        if not length.isdecimal() or len(length) > 20 or int(length) > MOST_BODY_BYTES:
            return Verdict(413, "The request is too large.")
        if is_safe and scope["path"] == "/":
            given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [])
            if given:
                if hmac.compare_digest(given[0].encode(), self.token.encode()):
                    return Verdict(303)
                return Verdict(
                    403, "This address is from an earlier start. Open the one that the studio printed last."
                )
        if not self._has_cookie(headers.get("cookie", [])):
            return Verdict(403, "Open the address with its token that `entrepot studio` printed.")
        return Verdict(0)

    def _has_cookie(self, lines: list[str]) -> bool:
        for line in lines:
            try:
                found = SimpleCookie(line).get(self.cookie)
            except CookieError:
                continue
            if found is not None and hmac.compare_digest(found.value.encode(), self.secret.encode()):
                return True
        return False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand over (ASGI 3)."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        verdict = self.judge(scope)
        if verdict.status == 0:
            host = next(value for name, value in scope["headers"] if name == b"host").decode("latin-1")
            incoming = _Incoming(receive)
            try:
                await self.app(scope, incoming, _with_headers(send, host))
            except RuntimeError:
                # Who asked has gone meanwhile: that there is no answer concerns nobody.
                if not incoming.is_gone:
                    raise
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": verdict.reason[:120]})
        elif verdict.status == 303:
            cookie = f"{self.cookie}={self.secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"
            await _answer(send, 303, b"", [(b"location", b"/"), (b"set-cookie", cookie.encode())])
        else:
            await _answer(send, verdict.status, verdict.reason.encode() + b"\n", [])


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    start = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    start += [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"), *headers]
    start.append((b"referrer-policy", b"no-referrer"))
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


class _Incoming:
    """What comes in of one request. Stops reading a body that is longer than it said."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._taken = 0
        self.is_gone = False

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            if self._taken > MOST_BODY_BYTES:
                message = {"type": "http.disconnect"}
        self.is_gone = self.is_gone or message["type"] in ("http.disconnect", "websocket.disconnect")
        return message


def _with_headers(send: Send, host: str) -> Send:
    """Say with each answer that it is for this server's own pages only."""
    policy = POLICY.format(socket=f"ws://{host}").encode()
    own = [
        (b"content-security-policy", policy),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *own]}
        await send(message)

    return sending
