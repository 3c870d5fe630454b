"""One coverage-guided run of one target, in a process of its own: libFuzzer never returns.

    python -m tests.fuzz.guided TARGET BYTES FOLDER

Feeds at least so many bytes as replies, prints one JSON object and ends with 0. At a crash it ends with another
code, at a hang too, after what was fed is left in FOLDER.
"""

import asyncio
import importlib
import os
import random
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

_LONGEST = 600
_HANG_S = 10
_RAW = 3
"""Every so many mutations one is left as it is; the others are repaired, so that they get past the checksum."""


def main(target: str, size: int, folder: Path) -> None:
    """Run until enough was fed."""
    atheris: Any = importlib.import_module("atheris")  # only on some platforms there at all
    with atheris.instrument_imports(include=["drivers"]):
        replies = importlib.import_module("tests.fuzz.replies")
    tally = replies.Tally()
    rtu = target == "rtu"
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(_seeds(replies, target)):
        (corpus / f"{number:02}").write_bytes(seed)
    feed = _feed(replies, target, tally)

    def one_input(data: bytes) -> None:
        feed(data)
        if tally.fed >= size:
            sys.stdout.buffer.write(orjson.dumps(asdict(tally), option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.flush()
            os._exit(0)  # the fuzzer itself has no end

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        mutated = bytes(atheris.Mutate(data, most))
        if target == "codec" or seed % _RAW == 0:
            return mutated
        return bytes(replies.repaired(mutated, random.Random(seed), rtu=rtu)[:most])  # noqa: S311 - repeatable

    options = [f"-max_len={_LONGEST}", f"-timeout={_HANG_S}", "-seed=1", "-len_control=0"]
    options += [f"-artifact_prefix={folder}/", "-verbosity=0", "-print_final_stats=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one_input, custom_mutator=mutate)
    atheris.Fuzz()


def _feed(replies: Any, target: str, tally: Any) -> Callable[[bytes], None]:
    if target == "codec":
        return lambda data: replies.feed_codec(data, tally)
    loop = asyncio.new_event_loop()
    return lambda data: loop.run_until_complete(replies.feed_wire(data, tally, rtu=target == "rtu"))


def _seeds(replies: Any, target: str) -> list[bytes]:
    """Return valid replies to each request, whole and in pieces, and an exception to each."""
    if target == "codec":
        return [bytes((number,)) + bytes(range(256)) for number in range(len(replies.PROFILES))]
    rtu = target == "rtu"
    found = []
    for number, block in enumerate(replies.REQUESTS):
        valid = replies.reply_to(number, rtu=rtu)
        found.append(bytes((number, 0)) + valid)
        found.append(bytes((number, 3, 1, 2, 5)) + valid)
        found.append(bytes((number, 0)) + replies.framed(bytes((block.function | 0x80, 2)), rtu=rtu))
    return found


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
