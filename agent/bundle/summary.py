"""What a bundle comes to, as one JSON object: the page is written from it, and a verifier works it out again.

It follows from the records of a bundle, its documents and the list of its captures, and from nothing else.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from agent.bundle.coal import coal
from agent.bundle.tally import Account, Tally
from agent.bundle.trail import Trail
from agent.carbon.errors import CarbonError
from agent.carbon.factor_set import FactorSet, GridRow
from agent.carbon.factors import FactorLibrary
from agent.config import SiteConfig
from agent.metering.amount import NS_PER_S, QUANTA_PER_UNIT
from agent.plant import Account as PlantAccount
from agent.record import rfc3339, time_ns
from agent.rollup.total import Part
from agent.rollup.tree import counted_at_the_site
from agent.sections import DeviceSection
from drivers.value import frozen

SCHEMA = "energy-agent/summary/1"
Body = dict[str, Any]
Records = Callable[[], Iterable[Body]]
"""Gives all records of a bundle, decoded, in their order; called twice."""
_FIGURES = ("energy_kwh", "kgce", "co2_kg", "co2_market_kg")
_GJ_PER_KWH = 0.0036
_LONGEST_PAUSE_NS = 120 * NS_PER_S


@frozen
class Ground:
    """What figures are held against: configuration, accounts and factor sets as they were."""

    config: SiteConfig
    library: FactorLibrary
    accounts: tuple[PlantAccount, ...]


def summarise(start_ns: int, end_ns: int, records: Records, ground: Ground, captures: Sequence[Body]) -> Body:
    """Return what the records of [start_ns, end_ns) (Unix, ns) come to; `captures` are name, size and sha256."""
    tally, trail = Tally(start_ns, end_ns), Trail(start_ns, end_ns)
    for body in records():
        trail.take(body)
        if tally.within(body):
            tally.look(body)
    for body in records():
        if tally.within(body):
            tally.take(body)
    config = ground.config
    accounts = list(_accounts(tally, ground))
    return {
        "schema": SCHEMA,
        "site": config.site.name,
        "timezone": config.site.timezone,
        "from": rfc3339(start_ns),
        "to": rfc3339(end_ns),
        "interval_s": config.interval.length,
        "configuration": config.digest,
        "records": trail.records,
        "accounts": accounts,
        "scopes": list(_scopes(accounts, tally)),
        "whole": _sureness(_counted(accounts)),
        "reservations": tally.told(),
        "revised": _revised(tally),
        "factors": list(_factors(tally, ground.library)),
        "coal": list(coal(config, ground.library, _carriers(tally, ground))),
        "meters": [_meter(device, tally, config) for device in config.devices],
        "events": trail.events,
        "evidence": trail.evidence,
        "captures": _captures(trail, captures),
        "uncaptured": list(trail.uncaptured(_LONGEST_PAUSE_NS, round(config.interval.length * NS_PER_S))),
        "gaps": trail.gaps,
        "seals": trail.seals,
        "unsealed": trail.unsealed,
        **({"example": tally.example} if tally.example else {}),
    }


def _carriers(tally: Tally, ground: Ground) -> Iterator[tuple[PlantAccount, Account]]:
    """Yield the accounts of carriers that have records, with what is known of them."""
    for account in ground.accounts:
        if account.carrier and account.name in tally.accounts:
            yield account, tally.accounts[account.name]


def _accounts(tally: Tally, ground: Ground) -> Iterator[Body]:
    flows = counted_at_the_site(ground.accounts, {each.name: each.area for each in ground.config.devices})
    counted = {flow.account for flow in flows}
    known = {account.name: account for account in ground.accounts}
    for name in sorted(tally.accounts):
        found, account = tally.accounts[name], known.get(name)
        yield _account(name, found, tally) | {
            **({"carrier": account.carrier} if account and account.carrier else {}),
            **({"direction": account.direction} if account and account.direction != "import" else {}),
            "counted": name in counted,
        }


def _account(name: str, found: Account, tally: Tally) -> Body:
    total = found.sum.total
    whole_us = (tally.end_ns - tally.start_ns) // 1000
    amount = total.sums["amount"]
    body: Body = {
        "account": name,
        "area": found.first["area"],
        "device": found.first["device"],
        "output": "output" in found.first,
        "unit": total.unit,
        "amount": amount / QUANTA_PER_UNIT,
        **_weighed(total),
        "intervals": total.intervals,
        "coverage": min(1.0, round(total.measured_us / whole_us, 6)),
        "estimated": round(min(1.0, abs(total.estimated / amount)), 6) if amount else 0.0,
        "qualities": dict(sorted(found.qualities.items())),
    }
    return body | ({"unverified": True} if total.unverified else {})


def _weighed(total: Part) -> Body:
    figures = {key: total.sums[key] / QUANTA_PER_UNIT for key in _FIGURES if key in total.sums}
    if "co2_kg" in figures:
        figures.setdefault("co2_market_kg", figures["co2_kg"])
    return figures | {key: total.alike[key] for key in ("scope",) if key in total.alike}


def _scopes(accounts: Sequence[Body], tally: Tally) -> Iterator[Body]:
    """Yield the totals of what counts for the site, by scope."""
    counted = _counted(accounts)
    for scope in sorted({each["scope"] for each in counted}):
        of_it = [each for each in counted if each["scope"] == scope]
        sums = [tally.accounts[each["account"]].sum.total.sums for each in of_it]

        def together(key: str, instead: str = "", sums: Sequence[Mapping[str, int]] = sums) -> float:
            return sum(each.get(key, each.get(instead, 0)) for each in sums) / QUANTA_PER_UNIT

        kwh = together("energy_kwh")
        yield {
            "scope": scope,
            "energy_kwh": kwh,
            "energy_gj": round(kwh * _GJ_PER_KWH, 6),
            "kgce": together("kgce"),
            "co2_location_kg": together("co2_kg"),
            "co2_market_kg": together("co2_market_kg", "co2_kg"),
            **_sureness(of_it),
            "accounts": [each["account"] for each in of_it],
            **({"unverified": True} if any(each.get("unverified") for each in of_it) else {}),
        }


def _counted(accounts: Sequence[Body]) -> list[Body]:
    """Return the accounts that count for the site."""
    return [each for each in accounts if each["counted"] and "scope" in each]


def _sureness(accounts: Sequence[Body]) -> Body:
    """Return the least coverage of some accounts, and the share of their energy that is estimated; {} without any."""
    if not accounts:
        return {}
    energies = [abs(each["energy_kwh"]) for each in accounts]
    estimated = sum(energy * each["estimated"] for energy, each in zip(energies, accounts, strict=True))
    share = round(estimated / sum(energies), 6) if any(energies) else max(each["estimated"] for each in accounts)
    return {"coverage": min(each["coverage"] for each in accounts), "estimated": share}


def _revised(tally: Tally) -> list[Body]:
    """Return which records took the place of others, and why; those of an account and reason together."""

    def alike(body: Body) -> tuple[str, str]:
        return body["account"], body.get("reason", "")

    lines = []
    for (account, reason), group in groupby(sorted(tally.revised, key=alike), alike):
        of_it = list(group)
        span = {"from": min(each["start"] for each in of_it), "to": max(each["end"] for each in of_it)}
        lines.append({"account": account, "reason": reason, "revisions": len(of_it), **span})
    return lines


def _factors(tally: Tally, library: FactorLibrary) -> Iterator[Body]:
    for used in sorted(tally.factors.values(), key=lambda each: (each["set"], each["id"], each["first"])):
        body = {**used, "accounts": sorted(used["accounts"])}
        try:
            owner = library.get(used["set"])
        except CarbonError:
            yield body | {"source": ""}
            continue
        published = [row for row in owner.grid if row.region == used["id"] and row.value == used.get("value")]
        sources = [row.source for row in published]
        if used["id"] in owner.rows:
            sources = [owner.rows[used["id"]].source]
        same = owner.version == used["version"]
        body |= _validity(owner, published)
        body |= {"title": owner.title, "title_zh": owner.title_zh, "issuer": owner.issuer}
        yield body | {"source": sources[0] if sources else owner.source, **({} if same else {"other_version": True})}


def _validity(owner: FactorSet, published: Sequence[GridRow]) -> Body:
    """Return the year a grid's factor is of, else from when and until when its set is in force."""
    if published:
        return {"year": published[0].year}
    days = {"effective": owner.effective, "expires": owner.expires}
    return {key: day.isoformat() for key, day in days.items() if day}


def _meter(device: DeviceSection, tally: Tally, config: SiteConfig) -> Body:
    profile = config.profiles[device.name]
    zone = config.site.zone
    first, last = (_day(at, zone) for at in (tally.start_ns, tally.end_ns - 1))
    held = [each for each in device.calibration if each.valid_until >= first and (each.calibrated or first) <= last]
    expired = max((each.valid_until for each in device.calibration), default=None)
    state = "none"
    if device.calibration:
        state = "valid" if _always(held, first, last) else "expired" if expired and expired < last else "partly"
    return {
        "device": device.name,
        "area": device.area,
        "model": profile.model,
        "profile": profile.name,
        "profile_source": profile.source,
        "accounts": sorted(name for name, each in tally.accounts.items() if each.first["device"] == device.name),
        "calibration": [certificate.said() for certificate in device.calibration],
        "state": state,
    }


def _always(held: Sequence[Any], first: date, last: date) -> bool:
    """Return whether on each day of a period one of some certificates holds."""
    days = {first, last, *(each.valid_until for each in held), *(each.calibrated for each in held if each.calibrated)}
    after = {date.fromordinal(day.toordinal() + 1) for day in days}
    return all(any(each.valid(day) for each in held) for day in days | after if first <= day <= last)


def _day(at_ns: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ns // NS_PER_S, zone).date()


def _captures(trail: Trail, captures: Sequence[Body]) -> list[Body]:
    """Return the capture files of the period: those in the bundle, and those that records tell of and it lacks."""
    told: dict[str, Body]
    told = {str(each["digest"]).removeprefix("sha256:"): each for each in trail.captures}
    found: list[Body] = []
    for capture in captures:
        of_it = told.pop(capture["sha256"], {})
        extra: Body = {key: of_it[key] for key in ("first", "last", "exchanges", "time") if key in of_it}
        found.append({**capture, **extra, "held": True, "recorded": bool(of_it)})
    start, end = rfc3339(trail.start_ns), rfc3339(trail.end_ns)
    for digest, lacking in told.items():
        if lacking.get("last", "") < start or lacking.get("first", end) >= end:
            continue
        listed: Body = {
            key: lacking[key] for key in ("name", "size", "first", "last", "exchanges", "time") if key in lacking
        }
        found.append({**listed, "sha256": digest, "held": False, "recorded": True})
    return sorted(found, key=lambda each: str(each["name"]))


def period_ns(head: Mapping[str, Any]) -> tuple[int, int]:
    """Return begin and end (Unix, ns) of the period that a manifest names."""
    return time_ns(head["from"]), time_ns(head["to"])
