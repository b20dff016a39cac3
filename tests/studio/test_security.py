"""The gate: only the studio's own pages get in."""

import asyncio

import pytest

from entrepot.studio.security import MOST_BODY_BYTES, Gate

PORT = 4321
HOST = f"127.0.0.1:{PORT}"
COOKIE = f"entrepot-{PORT}=sesame"


def make_scope(kind="http", path="/", method="GET", query="", **headers):
    """Return what an ASGI server would give for a request; headers given as None are left out."""
    given = {"host": HOST, "cookie": COOKIE, **{name.replace("_", "-"): v for name, v in headers.items()}}
    pairs = [(n.encode(), v.encode()) for n, v in given.items() if v is not None]
    scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": pairs}
    return scope | ({"method": method} if kind == "http" else {})


def judge(*args, **kwargs):
    """Return what the gate makes of a request."""
    gate = Gate(None, port=PORT, token="open", secret="sesame")
    return gate.judge(make_scope(*args, **kwargs)).status


def test_the_studios_own_pages_get_in():
    """With the cookie, from its own origin."""
    assert judge() == 0
    assert judge(host=f"localhost:{PORT}") == 0
    assert judge("websocket", "/terminal/x", origin=f"http://{HOST}") == 0
    assert judge(method="POST", origin=f"http://{HOST}") == 0


def test_the_address_with_the_token_sets_the_cookie():
    """Once; another token, or another place for it, does not."""
    assert judge(cookie=None, query="token=open") == 303
    assert judge(cookie=None, query="token=opem") == 403
    assert judge(cookie=None, query="token=") == 403
    assert judge(cookie=None, path="/terminal/x", query="token=open") == 403
    assert judge(cookie=None, method="POST", query="token=open", origin=f"http://{HOST}") == 403
    assert judge("websocket", "/", cookie=None, query="token=open", origin=f"http://{HOST}") == 403


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", f"127.0.0.1.evil.example:{PORT}",
     f"localhost.evil.example:{PORT}", f"[::1]:{PORT}", "", None, f"127.0.0.1:{PORT}@evil.example", f"0.0.0.0:{PORT}"],
)  # fmt: skip
def test_another_name_for_this_machine_is_refused(host):
    """DNS rebinding: the cookie may be right, the name is not."""
    assert judge(host=host) == 421
    assert judge("websocket", "/terminal/x", host=host, origin=f"http://{host}") == 421


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", f"https://{HOST}", f"http://127.0.0.1:{PORT + 1}", f"http://{HOST}.evil.example",
     f"http://localhost:{PORT}"],
)  # fmt: skip
def test_other_origins_are_refused(origin):
    """Also with the cookie, also other servers on this machine."""
    assert judge(origin=origin) == 403
    assert judge(method="POST", origin=origin) == 403
    assert judge("websocket", "/terminal/x", origin=origin) == 403


def test_what_changes_something_must_say_where_it_comes_from():
    """A WebSocket or a POST without Origin is no browser's."""
    assert judge("websocket", "/terminal/x") == 403
    assert judge(method="POST") == 403


def test_other_sites_cannot_load_parts_of_it():
    """Fetch metadata (W3C): images, scripts and frames of other sites."""
    assert judge(path="/x.js", sec_fetch_site="cross-site", sec_fetch_mode="no-cors") == 403
    assert judge(path="/x.js", sec_fetch_site="same-site", sec_fetch_mode="cors") == 403
    assert judge(path="/x.js", sec_fetch_site="same-origin", sec_fetch_mode="cors") == 0


@pytest.mark.parametrize(
    "cookie", [None, "", "entrepot-4321=wrong", "entrepot-1=sesame", "a=b", ";;=,\x01", 'a:b="\\400']
)
def test_without_the_cookie_nothing_is_shown(cookie):
    """Neither page nor file nor socket."""
    assert judge(cookie=cookie) == 403
    assert judge(path="/_nicegui/x.js", cookie=cookie) == 403
    assert judge("websocket", "/terminal/x", cookie=cookie, origin=f"http://{HOST}") == 403


def test_two_hosts_in_a_request_are_refused():
    """What stands behind might believe the other one."""
    scope = make_scope()
    scope["headers"].append((b"host", b"evil.example"))

    assert Gate(None, port=PORT, token="open", secret="sesame").judge(scope).status == 421


def test_large_requests_are_refused():
    """By what they say, and by what they send."""
    assert judge(method="POST", origin=f"http://{HOST}", content_length=str(MOST_BODY_BYTES + 1)) == 413
    assert judge(method="POST", origin=f"http://{HOST}", content_length="many") == 413

    seen = []

    async def app(scope, receive, send):
        while (message := await receive())["type"] == "http.request":
            seen.append(len(message["body"]))

    async def receive():
        return {"type": "http.request", "body": b"x" * 1_000_000, "more_body": True}

    async def send(message):
        pass

    gate = Gate(app, port=PORT, token="open", secret="sesame")
    asyncio.run(gate(make_scope(method="POST", origin=f"http://{HOST}"), receive, send))
    assert sum(seen) <= MOST_BODY_BYTES


def test_refusals_and_answers_say_what_browsers_may_do():
    """The cookie is for this site only and out of scripts' reach; pages are framed by nobody."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    gate = Gate(app, port=PORT, token="open", secret="sesame")
    asyncio.run(gate(make_scope(query="token=open"), receive, send))
    asyncio.run(gate(make_scope(), receive, send))
    asyncio.run(gate(make_scope("websocket", origin="http://evil.example"), receive, send))

    cookie = dict(sent[0]["headers"])[b"set-cookie"].decode()
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    page = dict(next(m for m in sent if m.get("status") == 200)["headers"])
    assert b"frame-ancestors 'none'" in page[b"content-security-policy"]
    assert b"http:" not in page[b"content-security-policy"]
    assert sent[-1]["type"] == "websocket.close"


def test_port_80_needs_no_number():
    """Browsers leave it out."""
    gate = Gate(None, port=80, token="open", secret="sesame")
    for host, status in (("127.0.0.1", 0), ("localhost:80", 0), ("evil.example", 421)):
        assert gate.judge(make_scope(host=host, cookie="entrepot-80=sesame")).status == status


@pytest.mark.parametrize("is_gone", [True, False])
def test_an_error_is_of_no_concern_once_who_asked_has_gone(is_gone):
    """While the page is there it is an error."""

    async def app(scope, receive, send):
        assert scope["type"] == "lifespan" or await receive()
        if scope["type"] != "lifespan":
            raise RuntimeError("no answer was sent")

    async def receive():
        return {"type": "http.disconnect" if is_gone else "http.request"}

    gate = Gate(app, port=PORT, token="open", secret="sesame")
    asyncio.run(gate({"type": "lifespan"}, receive, None))
    if is_gone:
        asyncio.run(gate(make_scope(), receive, None))
    else:
        with pytest.raises(RuntimeError, match="no answer"):
            asyncio.run(gate(make_scope(), receive, None))
