import asyncio
from types import SimpleNamespace

import pytest

from agent.demo.acts import Acts
from agent.demo.link import Link


class Stage:
    """A plant and a link that note what is done to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.silenced: list[bool] = []
        self.silent: set[str] = set()
        plant = SimpleNamespace(silence=self._silence)
        self.link = Link(0)
        self.acts = Acts(plant, self.link)  # type: ignore[arg-type]  # stands in for a SimulatedPlant
        self.seen: list[tuple[bool, bool, str]] = []
        self._sleep = asyncio.sleep
        monkeypatch.setattr("agent.demo.acts.asyncio.sleep", self._look)

    def _silence(self, device: str, silent: bool) -> None:  # noqa: FBT001 -- as a SimulatedPlant has it
        self.silenced.append(silent)
        (self.silent.add if silent else self.silent.discard)(device)

    async def _look(self, _: float) -> None:
        """Note how things stand while the acts wait."""
        silent = bool(self.silenced) and self.silenced[-1]
        self.seen.append((silent, self.link.cut, self.acts.news))
        await self._sleep(0)

    async def play(self, waits: int) -> None:
        playing = asyncio.create_task(self.acts.play())
        while len(self.seen) < waits:
            await self._sleep(0)
        playing.cancel()
        await asyncio.wait({playing})


async def test_a_device_falls_silent_then_the_link_is_cut_and_each_is_put_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch)
    await stage.play(7)

    states = [(silent, cut) for silent, cut, _ in stage.seen[:7]]
    assert states == [
        (False, False),
        (True, False),
        (False, False),
        (False, False),
        (False, True),
        (False, False),
        (False, False),
    ]
    news = [text for _, _, text in stage.seen[:7]]
    assert (news[0], news[3], news[6]) == ("", "", "")
    assert "motor-2 is taken off" in news[1]
    assert "link to the broker is cut" in news[4]


async def test_every_device_has_its_turn_to_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    await stage.play(4 * 6)

    lost = [news.split()[0] for _, _, news in stage.seen if "taken off" in news]
    assert lost[:4] == ["motor-2", "motor-1", "main-meter", "boiler-1"]


@pytest.mark.parametrize("waits", [2, 5])
async def test_ending_within_an_act_puts_everything_right(monkeypatch: pytest.MonkeyPatch, waits: int) -> None:
    stage = Stage(monkeypatch)
    await stage.play(waits)
    stage.acts.undo()

    assert stage.silent == set()
    assert stage.link.cut is False
