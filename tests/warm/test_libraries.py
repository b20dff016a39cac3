"""Big libraries, shared or left to the run, and used hard after the fork: the run is Python's run.

Each is tried where it is installed: `pip install --group libraries`, then
`pytest --run-slow tests/warm/test_libraries.py`.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import pytest

THREADS = """
import threading
def in_threads(work, count=4):
    results = [None] * count
    def one(n):
        results[n] = work(n)
    workers = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
    return results
"""

# Library -> (its leading imports, hard use, whether it is shared).
USES: dict[str, tuple[str, str, bool]] = {
    "numpy": (
        "import numpy as np",
        """
rng = np.random.default_rng(1)
a = rng.random((400, 400))
print(in_threads(lambda n: round(float((a @ a.T).trace()), 4)))
print(round(float(np.linalg.svd(a, compute_uv=False)[0]), 6), np.linalg.matrix_rank(a))
np.random.seed(3); print(np.random.rand())
""",
        True,
    ),
    "scipy": (
        "import scipy.linalg, scipy.fft, scipy.optimize, scipy.stats",
        """
import numpy as np
a = np.arange(90000.0).reshape(300, 300) + np.eye(300) * 1e6
print(in_threads(lambda n: round(float(scipy.linalg.lu_factor(a)[0][0, 0]), 3)))
print(round(abs(scipy.fft.fft2(a, workers=2)).max(), 1), scipy.optimize.brentq(lambda x: x * x - 2, 0, 2))
print(scipy.stats.norm.cdf(1.0))
""",
        True,
    ),
    "sklearn": (
        "from sklearn.linear_model import LogisticRegression\\nfrom sklearn.ensemble import RandomForestClassifier",
        """
import numpy as np
from joblib import Parallel, delayed
x = np.random.default_rng(0).random((300, 4)); y = (x.sum(axis=1) > 2).astype(int)
print(LogisticRegression().fit(x, y).score(x, y))
print(RandomForestClassifier(20, n_jobs=2, random_state=0).fit(x, y).score(x, y))
print(Parallel(n_jobs=2)(delayed(abs)(-n) for n in range(4)))
""",
        True,
    ),
    "pandas": (
        "import pandas as pd",
        """
import io
frame = pd.DataFrame({"a": [1, 2, 1], "b": [1.5, 2.5, 3.5], "when": pd.date_range("2024-01-01", periods=3)})
print(frame.groupby("a").sum(numeric_only=True).to_csv())
print(pd.read_csv(io.StringIO(frame.to_csv())).shape, frame.describe().shape)
print(in_threads(lambda n: float(frame["b"].rolling(2).mean().sum())))
""",
        True,
    ),
    "matplotlib": (
        "import matplotlib\\nmatplotlib.use('Agg')\\nimport matplotlib.pyplot as plt",
        """
import hashlib, io
figure, axes = plt.subplots(); axes.plot([1, 4, 9]); axes.set_title("squares")
buffer = io.BytesIO(); figure.savefig(buffer, format="png", metadata={"Software": None})
print(hashlib.md5(buffer.getvalue()).hexdigest())
""",
        True,
    ),
    "pyarrow": (
        "import pyarrow as pa, pyarrow.compute as pc, pyarrow.csv",
        """
import io
array = pa.chunked_array([list(range(100000))] * 8)
print(pc.sum(array), pc.mean(array), in_threads(lambda n: pc.max(array).as_py()))
text = "a,b\\n" + "1,2\\n" * 200000
print(pyarrow.csv.read_csv(io.BytesIO(text.encode())).num_rows, pa.cpu_count() > 0)
""",
        True,
    ),
    "lxml": (
        "import lxml.etree as et, lxml.html",
        """
tree = et.fromstring("<a>" + "<b x='1'>t</b>" * 1000 + "</a>")
print(len(tree.xpath("//b[@x='1']")), in_threads(lambda n: len(lxml.html.fromstring("<p>x<p>y").xpath("//p"))))
try:
    et.fromstring("<a>")
except et.XMLSyntaxError as error:
    print(error)
""",
        True,
    ),
    "cryptography": (
        "from cryptography.fernet import Fernet\\nfrom cryptography import x509\\n"
        "from cryptography.hazmat.primitives.asymmetric import rsa\\n"
        "from cryptography.hazmat.primitives import hashes, serialization\\n"
        "import datetime, socket, ssl, tempfile, threading",
        """
key = rsa.generate_private_key(65537, 2048)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
now = datetime.datetime(2020, 1, 1)
cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    .serial_number(7).not_valid_before(now).not_valid_after(now.replace(year=2099))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False).sign(key, hashes.SHA256()))
pem = serialization
with tempfile.NamedTemporaryFile() as file:
    file.write(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()))
    file.write(cert.public_bytes(pem.Encoding.PEM)); file.flush()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server_side.load_cert_chain(file.name)
    client_side = ssl.create_default_context(cafile=file.name)
listener = socket.create_server(("127.0.0.1", 0))
def answer():
    raw, _ = listener.accept()
    with server_side.wrap_socket(raw, server_side=True) as connection:
        connection.sendall(connection.recv(100).upper())
thread = threading.Thread(target=answer); thread.start()
with socket.create_connection(listener.getsockname()) as raw:
    with client_side.wrap_socket(raw, server_hostname="localhost") as connection:
        connection.sendall(b"hello"); print(connection.recv(100), connection.version())
thread.join(); listener.close()
secret = Fernet(Fernet.generate_key()); print(secret.decrypt(secret.encrypt(b"x")))
""",
        True,
    ),
    "grpc": (
        "import grpc\\nfrom concurrent import futures",
        """
class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: request.upper())
server = grpc.server(futures.ThreadPoolExecutor(2)); server.add_generic_rpc_handlers((Echo(),))
port = server.add_insecure_port("127.0.0.1:0"); server.start()
with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    print(channel.unary_unary("/shop/echo")(b"hello", timeout=10))
server.stop(None).wait()
""",
        True,
    ),
    "django": (
        "import django.db.models, django.template, django.conf",
        """
django.conf.settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}])
import django; django.setup()
from django.db import connection
class Item(django.db.models.Model):
    name = django.db.models.CharField(max_length=9)
    class Meta: app_label = "shop"
with connection.schema_editor() as editor: editor.create_model(Item)
Item.objects.create(name="tea"); print(list(Item.objects.values_list("name", flat=True)))
print(django.template.Template("{{ a|upper }}").render(django.template.Context({"a": "b"})))
""",
        True,
    ),
    "sqlalchemy": (
        "import sqlalchemy as sa\\nfrom sqlalchemy.orm import DeclarativeBase, Session, mapped_column",
        """
class Base(DeclarativeBase): pass
class Item(Base):
    __tablename__ = "item"
    id = mapped_column(sa.Integer, primary_key=True); name = mapped_column(sa.String)
engine = sa.create_engine("sqlite://"); Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add(Item(name="tea")); session.commit(); print(session.scalars(sa.select(Item.name)).all())
""",
        True,
    ),
    "pydantic": (
        "from pydantic import BaseModel, ValidationError",
        """
class Item(BaseModel):
    name: str
    price: float = 1
print(Item(name="tea").model_dump_json())
try:
    Item(price="x")
except ValidationError as error:
    print(error.error_count())
print(in_threads(lambda n: Item(name=str(n)).name))
""",
        True,
    ),
    "boto3": (
        "import boto3",
        """
client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
print(client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"}).split("?")[0])
""",
        True,
    ),
    "sympy": (
        "import sympy",
        """
x = sympy.symbols("x")
print(sympy.integrate(sympy.sin(x) ** 2, x), sympy.solve(x**3 - x), sympy.factorint(123456789))
""",
        True,
    ),
    "rich.style": (
        "import rich.console, rich.style, rich.table",
        """
table = rich.table.Table("a", "b"); table.add_row("1", "[link=https://example.org]2[/link]")
rich.console.Console(width=60, color_system=None).print(table, [1, 2])
print(len(rich.style.Style(link="x").link_id) > 1, in_threads(lambda n: str(rich.style.Style.parse("bold red"))))
""",
        True,
    ),
    "psutil": (
        "import os, psutil",
        """
print(psutil.Process().pid == os.getpid(), 0 <= psutil.cpu_percent() <= 100, psutil.virtual_memory().total > 0)
print([0 <= one <= 100 for one in psutil.cpu_percent(percpu=True)], sum(psutil.cpu_times_percent()) >= 0)
""",
        True,
    ),
    "aiohttp": (
        "import aiohttp, aiohttp.web, asyncio",
        """
async def answer(request):
    socket = aiohttp.web.WebSocketResponse(); await socket.prepare(request)
    async for message in socket: await socket.send_str(message.data.upper())
    return socket
async def main():
    app = aiohttp.web.Application(); app.add_routes([aiohttp.web.get("/", answer)])
    runner = aiohttp.web.AppRunner(app); await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0); await site.start()
    async with aiohttp.ClientSession() as session, session.ws_connect(
            "http://127.0.0.1:%d/" % site._server.sockets[0].getsockname()[1]) as socket:
        await socket.send_str("hello"); print(await socket.receive_str())
    await runner.cleanup()
asyncio.run(main())
""",
        True,
    ),
    "fsspec": (
        "import os, fsspec, fsspec.implementations.local, fsspec.implementations.memory",
        """
local, memory = fsspec.filesystem("file"), fsspec.filesystem("memory")
print([kind._pid == os.getpid() for kind in (fsspec.AbstractFileSystem, type(local), type(memory))])
print(fsspec.filesystem("file") is local, local.exists("main.py"))
print(in_threads(lambda n: fsspec.filesystem("memory").protocol))
memory.pipe("/a", b"x"); print(memory.cat("/a"))
""",
        True,
    ),
    "fastapi": (
        "import fastapi",
        """
app = fastapi.FastAPI()
@app.get("/items/{number}")
def read(number: int): return {"number": number}
print(sorted(app.openapi()["paths"]))
""",
        True,
    ),
    "dask": (
        "import dask, dask.threaded",
        """
print(dask.delayed(sum)([dask.delayed(abs)(-n) for n in range(5)]).compute(), dask.system.CPU_COUNT > 0)
""",
        True,
    ),
    "IPython": (
        "import IPython.core.interactiveshell",
        """
shell = IPython.core.interactiveshell.InteractiveShell.instance(colors="NoColor")
print(shell.run_cell("x = 6 * 7\\nx").result, shell.user_ns["x"])
""",
        True,
    ),
    "polars": (
        "import polars as pl",
        """
frame = pl.DataFrame({"a": [1, 2, 1] * 10000, "b": [1.0, 2.0, 3.0] * 10000})
print(frame.lazy().group_by("a").agg(pl.col("b").sum()).sort("a").collect().rows())
""",
        False,
    ),
    "torch": (
        "import torch",
        """
torch.manual_seed(1)
a = torch.rand(300, 300); print(round(float((a @ a).sum()), 0), torch.get_num_threads() > 0)
model = torch.nn.Linear(4, 2); model(torch.rand(8, 4)).sum().backward(); print(model.weight.grad.shape)
""",
        True,
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("library", USES)
def test_a_library_works_hard_in_each_run(warm: Callable[..., Any], library: str) -> None:
    """Shared where that is safe, left to the run with a reason where it is not; the output is Python's."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    imports, use, is_shared = USES[library]
    program = warm({"main.py": imports.replace("\\n", "\n") + THREADS + "\nprint('ready')\n" + use})
    plain = program.run_cold()
    assert plain.status == 0, plain.err
    for _ in range(3):
        if program.record is None and not program.never:
            time.sleep(0.1)
            program.prepare()

    for _ in range(2):
        seen = program.run()
        assert seen.warm, (program.never, program.notes)
        assert (seen.out, seen.status) == (plain.out, plain.status), seen.err
    assert (library in program.record.modules) is is_shared, program.plan.avoid
    if not is_shared:
        assert program.plan.avoid[library]
