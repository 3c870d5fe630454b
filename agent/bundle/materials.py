"""Documents by the hex of their SHA-256, and what the figures of a bundle are held against, made of them alone."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.bundle.form import BundleError
from agent.bundle.summary import Ground
from agent.carbon.errors import FactorFileError
from agent.config import ConfigError, KeptDocuments
from agent.config.load import load_config

Body = dict[str, Any]
_KINDS = ("configuration", "profile", "factors", "software")
"""Kinds of evidence that have a document."""
_VERSION_DIGITS = 16
_HEX = re.compile(r"[0-9a-f]{64}")


def in_force(evidence: Iterable[Body]) -> list[Body]:
    """Return the documents that records of evidence name, each once; `used` are those in force after the last."""
    latest: dict[tuple[str, str], str] = {}
    found: dict[tuple[str, str, str], Body] = {}
    needed: set[tuple[str, str]] = set()
    for each in evidence:
        if each.get("what") not in _KINDS or "digest" not in each:
            continue
        what, name = str(each["what"]), str(each["name"])
        sha256 = str(each["digest"]).removeprefix("sha256:")
        key = ("configuration", "") if what == "configuration" else (what, name)
        latest[key] = sha256
        needed.add(key)
        found.setdefault((what, name, sha256), {"what": what, "name": name, "sha256": sha256})
    for (what, name, sha256), body in found.items():
        key = ("configuration", "") if what == "configuration" else (what, name)
        if what != "software" and latest[key] == sha256:
            body["used"] = True
    return list(found.values())


def ground_of(documents: Sequence[Mapping[str, Any]], folder: Path) -> Ground:
    """Return configuration, factors and accounts as the documents in a folder say; raise BundleError without them."""
    used = [each for each in documents if each.get("used")]
    if not all(_HEX.fullmatch(str(each["sha256"])) for each in used):
        raise BundleError("a document is not named by its SHA-256")
    configuration = [each["sha256"] for each in used if each["what"] == "configuration"]
    if len(configuration) != 1:
        raise BundleError("the configuration of the period is not at hand")
    kept = KeptDocuments(
        profiles={each["name"]: folder / each["sha256"] for each in used if each["what"] == "profile"},
        factors=[folder / each["sha256"] for each in used if each["what"] == "factors"],
    )
    return ground(folder / configuration[0], kept)


def ground(path: Path, kept: KeptDocuments) -> Ground:
    """Return what a configuration comes to with documents that were kept; raise BundleError when it does not load."""
    try:
        config = load_config(path, kept)
    except (ConfigError, FactorFileError) as error:
        raise BundleError(f"the configuration cannot be read with this program: {error.problems[0]}") from error
    plant = config.plant()
    return Ground(config, config.library, (*plant.accounts, *plant.outputs))


def kept_for(
    folder: Path, configuration: str, profiles: Mapping[str, str], factors: Mapping[str, str]
) -> tuple[Path, KeptDocuments] | None:
    """Return a configuration by its digest, with the profiles (digest by device) and factor sets (version by id).

    None when a document is not in the folder.
    """
    digests = [each.removeprefix("sha256:") for each in (configuration, *profiles.values())]
    if not all(map(_HEX.fullmatch, digests)):
        return None
    path = folder / digests[0]
    files = dict(zip(profiles, (folder / each for each in digests[1:]), strict=True))
    versions = {each.name[:_VERSION_DIGITS]: each for each in folder.iterdir()}
    sets = [versions.get(version.removeprefix("sha256:")[:_VERSION_DIGITS]) for version in factors.values()]
    if not path.is_file() or None in sets or not all(each.is_file() for each in files.values()):
        return None
    named = {profile: files[device] for device, profile in _profiles(path) if device in files}
    return path, KeptDocuments(named, [each for each in sets if each is not None])


def _profiles(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the profile of each device that a configuration names."""
    for device in tomllib.loads(path.read_text(encoding="utf-8")).get("device", ()):
        yield str(device.get("name")), str(device.get("profile"))
