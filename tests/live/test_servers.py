"""Servers and main loops under `entrepot watch`: what is saved is what the next request gets."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import termios
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
PATIENCE_S = 20


class Server:
    """A server under `entrepot watch`, asked over HTTP."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.port = port

    def get(self, path: str = "/") -> str:
        """Return the body of an answer, or its status where that is an error."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            error.close()
            return str(error.code)

    def wait_for(self, expected: str, path: str = "/") -> None:
        """Ask until the answer is the expected one."""
        limit = time.monotonic() + PATIENCE_S
        answer = ""
        while time.monotonic() < limit:
            with contextlib.suppress(OSError):
                answer = self.get(path)
                if answer == expected:
                    return
            time.sleep(0.05)
        pytest.fail(f"{path} gives {answer!r}, not {expected!r}")

    def edit(self, name: str, before: str, after: str) -> None:
        """Save a file with one text in the place of another."""
        text = (self.root / name).read_text()
        assert before in text
        (self.root / name).write_text(text.replace(before, after))


@pytest.fixture
def serve(draw: Callable[..., Path], need: Callable[[object, str], None]) -> Iterator[Callable[..., Server]]:
    """Write a program and start its server; `{port}` in the command is a free port."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(wanted: str, files: dict[str, str], command: str) -> Server:
        try:
            __import__(wanted)
        except ImportError:
            need(None, wanted)
        root = draw(files)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        processes.append(
            subprocess.Popen(
                [sys.executable, "-B", "-m", "entrepot", "watch", *command.format(port=port).split()],
                cwd=root,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return Server(root, port)

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_flask(serve: Callable[..., Server]):
    """Views follow. Flask takes no new routes after its first request: then the program restarts, if asked to."""
    server = serve(
        "flask",
        {
            "app.py": "from flask import Flask\napp = Flask(__name__)\n@app.route('/')\ndef home(): return 'one'\n"
        },
        "--on-refusal restart -m flask --app app run --port {port}",
    )
    server.wait_for("one")
    server.edit("app.py", "'one'", "'two'")
    server.wait_for("two")
    server.edit("app.py", "return 'two'\n", "return 'two'\n@app.route('/new')\ndef new(): return 'new'\n")
    server.wait_for("new", "/new")
    server.wait_for("two")


def test_fastapi_under_uvicorn(serve: Callable[..., Server]):
    """Bodies, parameters, new and removed routes, without a restart: what the program counted stays."""
    server = serve(
        "fastapi",
        {
            "app.py": """
            from fastapi import FastAPI
            app = FastAPI()
            calls = []
            @app.get("/")
            def home():
                calls.append(1)
                return "one"
            @app.get("/calls")
            def count(): return len(calls)
        """
        },
        "-m uvicorn app:app --port {port}",
    )
    server.wait_for('"one"')
    server.edit("app.py", '"one"', '"two"')
    server.wait_for('"two"')
    server.edit("app.py", "def home():", "def home(n: int = 7):")
    server.wait_for("422", "/?n=x")
    server.edit(
        "app.py",
        "def count(): return len(calls)\n",
        'def count(): return len(calls)\n@app.get("/new")\ndef new(): return "new"\n',
    )
    server.wait_for('"new"', "/new")
    server.edit("app.py", '@app.get("/new")\ndef new(): return "new"\n', "")
    server.wait_for("404", "/new")
    assert int(server.get("/calls")) >= 2


def test_django(serve: Callable[..., Server]):
    """Views, methods of models and urls follow; settings and fields of models restart the program."""
    server = serve(
        "django",
        {
            "manage.py": """
            import os, sys
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
            from django.core.management import execute_from_command_line
            if __name__ == "__main__":
                execute_from_command_line(sys.argv)
        """,
            "settings.py": """
            SECRET_KEY, DEBUG, ALLOWED_HOSTS, ROOT_URLCONF, INSTALLED_APPS = "x", True, ["*"], "urls", ["shop"]
            DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
            DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
            LABEL = "label 1"
        """,
            "urls.py": "from django.urls import path\nfrom shop import views\nurlpatterns = [path('', views.home)]\n",
            "shop/__init__.py": "",
            "shop/models.py": """
            from django.db import models
            class Item(models.Model):
                name = models.CharField(max_length=10)
                class Meta:
                    app_label = "shop"
                def describe(self):
                    return "model 1"
        """,
            "shop/views.py": """
            from django.conf import settings
            from django.http import HttpResponse
            from shop.models import Item
            def home(request):
                fields = [f.name for f in Item._meta.get_fields()]
                return HttpResponse(f"view 1 {Item(name='n').describe()} {settings.LABEL} {len(fields)}")
        """,
        },
        "--on-refusal restart manage.py runserver --noreload {port}",
    )
    server.wait_for("view 1 model 1 label 1 2")
    server.edit("shop/views.py", "view 1", "view 2")
    server.wait_for("view 2 model 1 label 1 2")
    server.edit("shop/models.py", "model 1", "model 2")
    server.wait_for("view 2 model 2 label 1 2")
    server.edit("urls.py", "path('', views.home)", "path('', views.home), path('also', views.home)")
    server.wait_for("view 2 model 2 label 1 2", "/also")
    server.edit("settings.py", "label 1", "label 2")
    server.wait_for("view 2 model 2 label 2 2")
    server.edit(
        "shop/models.py", "    class Meta", "    size = models.IntegerField(default=1)\n    class Meta"
    )
    server.wait_for("view 2 model 2 label 2 3")


def find_ball(screen: str) -> list[int]:
    """Return the columns of the ball in the pictures that a terminal got, one after the other."""
    found = []
    for picture in screen.split("\x1b[H")[1:]:
        for line in picture.split("\r\n")[1:-3]:
            column = line.find("o")
            if column > 0 and re.match(r"\|[ #:o]+\|", line):
                found.append(column)
    return found


def test_the_ball_of_a_game_is_made_faster_while_it_plays(tmp_path: Path):
    """A main loop in a terminal: the match goes on, with its score, by the new rules."""
    example = Path(__file__).parents[2] / "examples" / "mygame" / "package" / "mygame"
    root = shutil.copytree(example, tmp_path / "mygame")
    outer, inner = os.openpty()
    fcntl.ioctl(outer, termios.TIOCSWINSZ, struct.pack("4H", 40, 100, 0, 0))
    command = [sys.executable, "-B", "-m", "entrepot", "watch", "-m", "mygame"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdin=inner, stdout=inner, stderr=subprocess.DEVNULL, start_new_session=True
    )

    def moves(seconds: float) -> set[int]:
        limit, screen = time.monotonic() + seconds, ""
        while time.monotonic() < limit:
            screen += os.read(outer, 65536).decode(errors="replace")
        columns = find_ball(screen)
        return {abs(b - a) for a, b in itertools.pairwise(columns)}

    try:
        before = moves(1.5)
        text = (root / "game.py").read_text()
        assert "self.ball[0] + self.speed[0]" in text
        (root / "game.py").write_text(
            text.replace("self.ball[0] + self.speed[0]", "self.ball[0] + 0 * self.speed[0]")
        )
        moves(0.8)
        after = moves(1.0)
    finally:
        process.kill()
        process.wait()
        os.close(outer)
        os.close(inner)

    assert 1 in before
    assert after <= {0}
