import errno
from pathlib import Path

import pytest

from agent.corrections import request as module
from agent.corrections.request import Inbox, Request, Revise, Withdrawal, ask, requests, told
from agent.metering.amount import Declaration
from agent.output.entry import Entry

EIGHT_NS = 1_795_248_000 * 10**9
NINE_NS = EIGHT_NS + 3600 * 10**9


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (
            Declaration("main-meter/electricity", EIGHT_NS, 48213.6, 0.2, "calibration due", "Li Wei"),
            (
                "replace-meter main-meter/electricity at 2026-11-21T08:00:00.000000Z: last 48213.6, first 0.2, "
                "asked by Li Wei: calibration due"
            ),
        ),
        (
            Declaration("main-meter/electricity", EIGHT_NS, None, 0.2, "new", "Li Wei"),
            "replace-meter main-meter/electricity at 2026-11-21T08:00:00.000000Z: first 0.2, asked by Li Wei: new",
        ),
        (
            Withdrawal("main-meter/electricity", EIGHT_NS, 48213.6, 0.2, "of another meter", "Li Wei"),
            (
                "replace-meter main-meter/electricity at 2026-11-21T08:00:00.000000Z: last 48213.6, first 0.2, "
                "withdrawn, asked by Li Wei: of another meter"
            ),
        ),
        (
            Revise(EIGHT_NS, NINE_NS, "", "other region", "Li Wei", "5776979e"),
            (
                "revise all accounts from 2026-11-21T08:00:00.000000Z to 2026-11-21T09:00:00.000000Z, "
                "asked by Li Wei: other region"
            ),
        ),
        (
            Entry("6de0", "value-added", EIGHT_NS, NINE_NS, 3.3, "sheet 7", "Wang Fang"),
            (
                "output value-added 3.3 from 2026-11-21T08:00:00.000000Z to 2026-11-21T09:00:00.000000Z, "
                "asked by Wang Fang: sheet 7"
            ),
        ),
    ],
    ids=["replacement", "initial reading", "withdrawal", "other factors", "entry"],
)
def test_the_log_says_what_is_asked_for_in_words_of_the_commands(request_: Request, line: str) -> None:
    assert told(request_) == line


def test_a_request_that_cannot_be_left_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_draft: Path, _mode: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "chmod", full)
    with pytest.raises(OSError, match="No space left"):
        ask(tmp_path / "store.db", Revise(0, 1, "", "reason", "author", ""))
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_in_which_nothing_happens_is_not_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []

    def counted(store: Path) -> list[tuple[str, object]]:
        looks.append(store)
        return [*requests(store)]

    monkeypatch.setattr(module, "requests", counted)
    wanted = Revise(EIGHT_NS, NINE_NS, "", "other region", "Li Wei", "5776979e")
    inbox = Inbox(tmp_path / "store.db")
    for _ in range(5):
        assert await inbox.asked() == []
    assert len(looks) == 1

    name = ask(tmp_path / "store.db", wanted)
    for _ in range(3):
        assert await inbox.asked() == [(name, wanted)], "until it is answered"
    await inbox.answer(name, {"done": True})
    for _ in range(5):
        assert await inbox.asked() == []

    assert len(looks) < 8
