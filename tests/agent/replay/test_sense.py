"""Captures that somebody has altered: whatever their notes say, a replay ends with one line that names the place."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.audit.chain_report import ChainReport
from agent.bundle.form import BundleError
from agent.bundle.recomputed import recompute
from agent.replay.order import in_order
from agent.replay.verify import Item
from drivers.capture import Captured, Note, read_capture
from drivers.capture.reader import capture_files
from tests.agent.replay.golden import CAPTURE, DOCUMENTS

Body = dict[str, Any]


def golden() -> Iterator[Item]:
    return read_capture(in_order(capture_files([CAPTURE])))


def altered(kind: str, alter: Callable[[Body], object]) -> Iterator[Item]:
    """Yield the golden capture, of which the first note of a kind says something else."""
    done = False
    for item in golden():
        if isinstance(item, Note) and item.kind == kind and not done:
            body = orjson.loads(orjson.dumps(item.body))
            alter(body)
            done = True
            yield replace(item, body=body)
        else:
            yield item
    assert done


ALTERATIONS: Mapping[str, tuple[str, Callable[[Body], object]]] = {
    "an interval without a hash": ("interval", lambda body: body["record"].pop("hash")),
    "books of a number": ("books", lambda body: body["accounts"].update(steam=7)),
    "books that cannot be read": ("books", lambda body: body["accounts"]["motor-1/drive"].__setitem__(0, "")),
    "books of factors without a version": ("books", lambda body: body["factors"].update({"CN-footprint-2023": 1})),
    "a declaration that lacks something": ("declared", lambda body: body["declarations"][0].pop()),
    "an output that nobody knows": ("received", lambda body: body.update(output="x")),
    "a reading of nothing": ("received", lambda body: body.update(reading=[])),
    "an entry beyond all numbers": ("entered", lambda body: body["entry"].__setitem__(3, 1e308)),
    "an explained record without an amount": ("explained", lambda body: body["records"][0].pop("amount")),
}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_a_note_that_makes_no_sense_is_named_with_its_place(what: str, tmp_path: Path) -> None:
    kind, alter = ALTERATIONS[what]
    with pytest.raises(BundleError, match=rf"demo-2026\S+, behind exchange \d+: a note '{kind}' makes no sense"):
        recompute(altered(kind, alter), (), DOCUMENTS, tmp_path, ChainReport())


def test_a_poll_booked_by_a_cadence_that_no_device_has_leaves_its_accounts_in_doubt(tmp_path: Path) -> None:
    marked = 0

    def items() -> Iterator[Item]:
        nonlocal marked
        for item in golden():
            booked = isinstance(item, Captured) and item.booked is not None
            marked += booked
            yield replace(item, booked=-5) if isinstance(item, Captured) and booked and marked == 100 else item

    found = recompute(items(), (), DOCUMENTS, tmp_path, ChainReport())
    assert any("no poll of unit" in why for why in found.why)
