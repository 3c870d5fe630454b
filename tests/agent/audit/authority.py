"""An authority that stamps times, made with openssl, and served to whoever asks."""

import asyncio
import base64
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = Trial Time Stamping Authority
[v3]
basicConstraints = critical,CA:TRUE
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = only
[only]
dir = {folder}
serial = $dir/serial
signer_cert = $dir/tsa.pem
signer_key = $dir/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
"""


def openssl(*words: str) -> bytes:
    return subprocess.run(["openssl", *words], check=True, capture_output=True).stdout


class Authority:
    """A time stamping authority over HTTP, which `openssl ts` answers for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = 0
        self.answer: bytes | None = None
        """Said in place of a time stamp."""
        (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder), encoding="ascii")
        (folder / "serial").write_text("01\n", encoding="ascii")
        made = ("-keyout", f"{folder}/tsa.key", "-out", f"{folder}/tsa.pem", "-config", f"{folder}/tsa.cnf")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-extensions", "v3", *made)

    async def stamp(self, request: web.Request) -> web.Response:
        self.asked += 1
        query = await request.read()
        answer = self.answer or await asyncio.to_thread(self._stamped, query)
        return web.Response(body=answer, content_type="application/timestamp-reply")

    def _stamped(self, query: bytes) -> bytes:
        with tempfile.NamedTemporaryFile(dir=self.folder) as file:
            file.write(query)
            file.flush()
            return openssl("ts", "-reply", "-config", f"{self.folder}/tsa.cnf", "-queryfile", file.name)

    def token(self, digest: str) -> str:
        """Return the token over a hash (`sha256:…`), in Base64."""
        query, answer = self.folder / "query", self.folder / "answer"
        imprint = ("-digest", digest.removeprefix("sha256:"), "-sha256", "-cert")
        openssl("ts", "-query", *imprint, "-out", str(query))
        answer.write_bytes(self._stamped(query.read_bytes()))
        return base64.b64encode(openssl("ts", "-reply", "-in", str(answer), "-token_out")).decode()

    def vouches(self, token: bytes, digest: str) -> bool:
        file = self.folder / "token"
        file.write_bytes(token)
        said = ("-verify", "-digest", digest, "-in", str(file), "-token_in", "-CAfile", f"{self.folder}/tsa.pem")
        done = subprocess.run(["openssl", "ts", *said], check=False, capture_output=True)
        return done.returncode == 0


@asynccontextmanager
async def served(authority: Authority, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/tsr", authority.stamp)
    runner = web.AppRunner(app)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await listening.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{runner.addresses[0][1]}/tsr"
    finally:
        await runner.cleanup()
