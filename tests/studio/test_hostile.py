"""What another site, a damaged browser or a wild program can do: nothing."""

import http.client
import json
import os
import signal
import time

import pytest
from browser import Browser, serving
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def ask(port, path="/", *, method="GET", body=None, **headers):
    """Send one request; return status, headers and text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, {n.replace("_", "-"): v for n, v in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def get_cookie(studio):
    """Return the cookie that the first address sets."""
    status, headers, _ = ask(studio.port, f"/?token={studio.token}")
    assert status == 303
    assert headers["location"] == "/"
    return headers["set-cookie"].partition(";")[0]


def read_all(socket):
    """Read until the other side closes."""
    while True:
        socket.recv(timeout=10)


def find_memory(pid):
    """Return the resident memory of a process in bytes."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_nothing_is_served_without_the_cookie(arcade, home):
    """No page, no script, no socket; with it the page is there."""
    with serving(arcade, home) as studio:
        cookie = get_cookie(studio)
        assert ask(studio.port)[0] == 403
        assert ask(studio.port, "/?token=wrong")[0] == 403
        assert ask(studio.port, "/_nicegui/static/nicegui.js")[0] == 403
        assert ask(studio.port, "/", cookie="entrepot-1=x")[0] == 403
        status, headers, text = ask(studio.port, "/", cookie=cookie)
        assert (status, "main.py" in text) == (200, True)
        assert headers["x-frame-options"] == "DENY"
        assert studio.token not in text


def test_rebinding_and_other_origins_are_refused(arcade, home):
    """Another name for this machine, another site's page, also with the cookie."""
    with serving(arcade, home) as studio:
        cookie = get_cookie(studio)
        assert ask(studio.port, "/", cookie=cookie, host="evil.example")[0] == 421
        assert ask(studio.port, "/", cookie=cookie, origin="http://evil.example")[0] == 403
        assert ask(studio.port, f"/?token={studio.token}", host=f"evil.example:{studio.port}")[0] == 421
        assert ask(studio.port, "/_nicegui/client/x", method="POST", body="{}", cookie=cookie)[0] == 403
        for path in ("/terminal/x", "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"):
            address = f"ws://127.0.0.1:{studio.port}{path}"
            for headers in (
                {"Cookie": cookie},
                {"Cookie": cookie, "Origin": "http://evil.example"},
                {"Origin": f"http://127.0.0.1:{studio.port}"},
            ):
                with pytest.raises(InvalidStatus) as refused, connect(address, additional_headers=headers):
                    pass
                assert refused.value.response.status_code == 403


def test_only_loopback_is_listened_on(arcade, home):
    """The one socket that listens is bound to 127.0.0.1."""
    with serving(arcade, home) as studio:
        with open("/proc/net/tcp") as file:
            rows = [line.split() for line in file][1:]
        with open("/proc/net/tcp6") as file:
            rows += [line.split() for line in file][1:]
        bound = {
            row[1].rpartition(":")[0]
            for row in rows
            if int(row[1].rpartition(":")[2], 16) == studio.port and row[3] == "0A"
        }
        assert bound == {"0100007F"}


def test_messages_that_make_no_sense_are_let_go(arcade, home, browser):
    """A terminal's socket takes what it understands, and lives on."""
    (arcade / "main.py").write_text("print('said', input())\n")
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("Run", ".runbar")
        browser.wait_for_text("running", ".run-state")
        (address,) = [a for a in browser.addresses() if "/terminal/" in a]
        headers = {"Cookie": get_cookie(studio), "Origin": f"http://127.0.0.1:{studio.port}"}
        with connect(address, additional_headers=headers, max_size=None) as socket:
            wrong = ["", "[", "[]", "null", '{"size": "x"}', '{"size": [1, 2, 3]}', '{"size": [-1, 99999]}']
            wrong += [
                '{"shown": -5}',
                '{"shown": true}',
                '{"input": 3}',
                '{"input": "\\ud800"}',
                "x" * 100_000,
            ]
            for text in wrong:
                socket.send(text)
            socket.send(json.dumps({"input": "\x15fine\n"}))
            seen = b""
            while b"said" not in seen:
                seen += socket.recv(timeout=10)
        with connect(address, additional_headers=headers) as socket:
            socket.send("x" * 10_000_000)
            with pytest.raises(ConnectionClosedError):
                read_all(socket)
        assert ask(studio.port, "/", cookie=headers["Cookie"])[0] == 200


def test_100_mb_of_output_leave_page_and_server_alive(arcade, home, browser):
    """The program waits for the page; both stay small, and the last line is shown."""
    (arcade / "main.py").write_text(
        "import sys\nline = 'x' * 99 + '\\n'\nfor _ in range(1000):\n    sys.stdout.write(line * 1000)\nprint('the end')\n"
    )
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        before = find_memory(studio.process.pid)
        browser.click("Run", ".runbar")
        browser.wait_for_text("running", ".run-state")
        browser.view("Findings")
        browser.view("Code")
        browser.wait_for_text("exit status 0", ".run-state", timeout_s=120)
        browser.wait_for_terminal("the end")
        assert find_memory(studio.process.pid) - before < 60_000_000
        assert int(browser.js("performance.memory.usedJSHeapSize")) < 200_000_000


def test_a_program_that_never_ends_is_stopped(arcade, home, browser):
    """While it prints without end the page answers; Stop ends it, though it ignores being asked."""
    (arcade / "main.py").write_text(
        "import signal\nsignal.signal(2, signal.SIG_IGN)\nsignal.signal(15, signal.SIG_IGN)\nwhile True: print('again')\n"
    )
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("Run", ".runbar")
        browser.wait_for_terminal("again")
        began = time.monotonic()
        browser.view("Graph")
        browser.view("Code")
        assert time.monotonic() - began < 5
        browser.click("Stop", ".runbar")
        browser.wait_for_text("exit status 137", ".run-state")


def test_closing_the_page_ends_its_programs(arcade, home, browser, monkeypatch):
    """A reload does not; going away does, after a while."""
    (arcade / "main.py").write_text(
        "import os, time\nopen('pid', 'w').write(str(os.getpid()))\nwhile True: time.sleep(0.1)\n"
    )

    def lives(pid):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("Run", ".runbar")
        browser.wait(lambda: (arcade / "pid").exists() and (arcade / "pid").read_text())
        pid = int((arcade / "pid").read_text())
        browser.reload()
        browser.wait_ready()
        browser.wait_for_text("running", ".run-state")
        assert lives(pid)
        browser.go("about:blank")
        browser.wait(lambda: not lives(pid), 30)


def test_the_studios_end_is_its_programs_end(arcade, home, browser):
    """Nothing runs on when the server has gone."""
    (arcade / "main.py").write_text(
        "import os, signal, time\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\nopen('pid', 'w').write(str(os.getpid()))\n"
        "while True: time.sleep(0.1)\n"
    )
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("Run", ".runbar")
        browser.wait(lambda: (arcade / "pid").exists() and (arcade / "pid").read_text())
        pid = int((arcade / "pid").read_text())
        studio.process.send_signal(signal.SIGTERM)
        studio.process.wait(20)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_twenty_pages_at_once(arcade, home, browser):
    """All of them are served, follow the same folder, and run programs of their own."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        address = f"http://127.0.0.1:{studio.port}/"
        sessions = [browser.session()]
        for _ in range(19):
            sessions.append(browser.new_page(address))
        for session in sessions:
            browser.use(session)
            browser.wait_ready()
            # A page in the background takes no mouse.
            browser.js("document.querySelector('.runbar .run').click()")
        (arcade / "new_one.py").write_text("")
        for session in sessions:
            browser.use(session)
            browser.wait_for_text("exit status 0", ".run-state")
            browser.wait_for_text("new_one.py", ".files")


def test_a_second_browser_without_the_cookie_gets_nothing(arcade, home, browser):
    """The cookie is one browser's own."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        with Browser() as other:
            other.go(f"http://127.0.0.1:{studio.port}/")
            other.wait_for_text("Open the address with its token")
