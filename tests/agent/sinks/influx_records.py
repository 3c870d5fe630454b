"""Records as a database of time series is given them."""

import orjson

from agent.record import Record


def record(seq: int, kind: str = "telemetry", /, **body: object) -> Record:
    return Record(seq, kind, "hall/meter", 1000 + seq, orjson.dumps({"site": "works", "seq": seq, **body}))


SEAL: dict[str, object] = {
    "from_seq": 2,
    "to_seq": 9,
    "count": 8,
    "root": "sha256:fedcba987654" + "0" * 52,
    "head": "sha256:" + "1" * 64,
    "previous_seal": "sha256:" + "2" * 64,
    "public_key": "ed25519:AAAA",
    "signature": "c2ln+/==",
}
