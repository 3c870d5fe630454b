"""Against the real library: what it takes of it, and that nothing is lost by what it puts off."""

import asyncio
import gzip
import importlib
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path

from aiohttp import web

from agent.sinks.influx import library
from agent.sinks.influx.transport import Transport

TOKEN = "of-a-test"  # noqa: S105  # opens nothing


def outcome(program: str) -> str:
    """Return what a new interpreter prints that ran `program` with the modules it needs."""
    head = "import sys\nfrom agent.sinks.influx import library\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", head + textwrap.dedent(program)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_to_write_loads_no_model_and_no_client_for_queries() -> None:
    loaded = outcome(
        """
        library.load()
        print(*sorted(name for name in sys.modules if name.startswith("influxdb_client.")))
        """
    ).split()

    assert "influxdb_client.service.write_service" in loaded
    assert [
        name for name in loaded if name.startswith(("influxdb_client.domain.", "influxdb_client.client.write"))
    ] == []
    assert len([name for name in loaded if name.startswith("influxdb_client.service.")]) < 5


def test_who_wants_more_of_the_library_gets_all_of_it() -> None:
    same = outcome(
        """
        library.load()
        import influxdb_client
        writing = sys.modules["influxdb_client.service.write_service"].WriteService
        from influxdb_client import InfluxDBClient, Point
        from influxdb_client.domain import Bucket
        from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
        print(
            influxdb_client.WriteService is writing,
            influxdb_client.Bucket is Bucket,
            type(influxdb_client).__name__,
            Point("a").field("b", 1.0).to_line_protocol(),
        )
        """
    )

    assert same == "True True module a b=1"


def test_a_name_the_library_does_not_have_is_missing_as_ever() -> None:
    said = outcome(
        """
        library.load()
        try:
            from influxdb_client import NoSuchService
        except ImportError as error:
            print(error.name, "cannot import name" in str(error))
        """
    )

    assert said == "influxdb_client True"


def test_a_library_already_in_use_is_left_as_it_is() -> None:
    said = outcome(
        """
        import influxdb_client as before
        library.load()
        import influxdb_client as after
        print(before is after, type(after).__name__)
        """
    )

    assert said == "True module"


def test_a_library_built_differently_is_imported_as_a_whole(tmp_path: Path) -> None:
    parts = {
        "__init__": "NEW = 1\nfrom influxdb_client._sync.api_client import ApiClient",
        "_sync/__init__": "",
        "_sync/api_client": "from influxdb_client import NEW\nclass ApiClient: new = NEW",
        "configuration": "",
        "rest": "",
        "client/__init__": "",
        "domain/__init__": "",
        "service/__init__": "",
        "service/write_service": "class WriteService: ...",
    }
    for name, text in parts.items():
        file = tmp_path / "influxdb_client" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    said = outcome(
        f"""
        sys.path.insert(0, {str(tmp_path)!r})
        library.load()
        import influxdb_client
        print(influxdb_client.ApiClient.new, type(influxdb_client).__name__, influxdb_client.__file__)
        """
    )

    assert said == f"1 module {tmp_path}/influxdb_client/__init__.py"


async def test_a_write_is_the_one_its_own_client_sends() -> None:
    seen: list[tuple[str, dict[str, str], bytes]] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        seen.append((str(request.rel_url), headers, await request.content.read()))
        return web.Response(status=204)

    runner = web.ServerRunner(web.Server(handle, auto_decompress=False))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        await asyncio.to_thread(_write, url)
    finally:
        await runner.cleanup()

    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert seen[0][1]["Authorization"] == f"Token {TOKEN}"


def _write(url: str) -> None:
    """Write one line through our client, then through the library's."""
    body = gzip.compress(b"a b=1 1", mtime=0)
    library.load()
    request = library.write_request(url, TOKEN, org="works", bucket="energy")
    transport = Transport(request, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), timeout_s=5.0)
    transport.post(body)
    transport.close()
    theirs = importlib.import_module("influxdb_client").InfluxDBClient(url=url, token=TOKEN, org="works")
    with theirs as client:
        service = importlib.import_module("influxdb_client.service.write_service").WriteService(client.api_client)
        service.post_write("works", "energy", body, precision="ns", content_encoding="gzip")
