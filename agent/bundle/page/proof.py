"""The sections that say what the figures rest on, and how anybody can check them."""

from html import escape

from agent.audit.stamps import STAMP
from agent.bundle.page.html import bullets, code, doubtful, pairs, paragraph, table, text
from agent.bundle.page.told import in_chinese
from agent.bundle.page.view import Body, View, number_of

_CHECK_BY_HAND = """mkdir evidence && tar -xf {file} -C evidence && cd evidence
sha256sum -c SHA256SUMS
openssl pkeyutl -verify -pubin -inkey public-key.pem \\
  -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig
openssl pkey -pubin -in public-key.pem -outform DER | tail -c 32 | base64"""
_INSTALL = """python3 -m venv check
check/bin/pip install energy_agent-{software}-py3-none-any.whl
. check/bin/activate"""
CHAIN_BY_HAND = """python3 - <<'END'
import hashlib, json
from decimal import Decimal

def canonical(value):  # RFC 8785
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        pairs = (canonical(key) + ":" + canonical(value[key]) for key in keys)
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):  # as JavaScript writes it
        if abs(value) < 1e21 and value == int(value):
            return format(Decimal(repr(value + 0.0)), ".0f")
        if 1e-6 <= abs(value) < 1:
            return format(Decimal(repr(value)), "f")
        return repr(value).replace("e-0", "e-")
    return json.dumps(value, ensure_ascii=False)

before = None
for number, line in enumerate(open("records/records.jsonl", encoding="utf-8"), 1):
    record = json.loads(line)
    found = record.pop("hash")
    if record["schema"].startswith("energy-agent/seal/"):
        record.pop("signature")
    digest = hashlib.sha256(canonical(record).encode()).hexdigest()
    assert found == "sha256:" + digest, f"line {number}"
    assert before in (None, record["previous"]), f"line {number}"
    before = found
print(number, "records, each with its own hash and that of the one before")
END"""
"""Shell commands that follow the chain of an unpacked bundle with nothing but Python."""
_CONTENTS = (
    *("index.html", "summary.json", "records/", "rollups.jsonl", "documents/", "captures/"),
    *("manifest.json", "SHA256SUMS", "public-key.pem"),
)
_MOST_CAPTURES = 400


def events(view: View) -> str:
    """Return what happened."""
    words = view.words
    rows = [
        [
            text(each["name"]),
            text(each["where"] or words("agent")),
            f"{each['count']:,}",
            text(view.short(each["first"])),
            text(view.short(each["last"])),
            _told(view, each),
        ]
        for each in view.summary["events"]
    ]
    if not rows:
        return view.heading("events") + paragraph(text(words("events.none")))
    heads = [*map(words, ("event", "where", "count", "first", "last", "event.told"))]
    return view.heading("events") + paragraph(text(words("events.text"))) + table(heads, rows, right=(2,), whole=(3, 4))


def _told(view: View, event: Body) -> str:
    """Return what an event tells: in Chinese on the page in Chinese, and as it was recorded."""
    chinese = in_chinese(event["name"], event["text"]) if view.words.language == "zh-CN" else ""
    recorded = text(event["text"])
    return f'{text(chinese)}<br><span class="small">{recorded}</span>' if chinese else recorded


def made_with(view: View) -> str:
    """Return programs, configurations and documents."""
    words, rows = view.words, []
    for each in view.summary["evidence"]:
        said = [code(each[key]) for key in ("public_key", "seal", "digest") if key in each]
        said += [text(f"{each['version']}, Python {each['python']}")] if "python" in each else []
        span = f"{text(view.short(each['time']))}<br>{text(view.short(each['until']))}"
        rows.append([text(words(f"what.{each['what']}")), text(each["name"]), "<br>".join(said), span])
    if not rows:
        return view.heading("made.with") + paragraph(text(words("made.with.none")))
    heads = [*map(words, ("what", "name", "value", "told"))]
    return view.heading("made.with") + paragraph(text(words("made.with.text"))) + table(heads, rows, whole=(0, 3))


def captures(view: View) -> str:
    """Return the files with raw exchanges, and the time that none tells of."""
    words, rows = view.words, []
    for each in view.summary["captures"][:_MOST_CAPTURES]:
        held = words("yes" if each["recorded"] else "unrecorded") if each["held"] else words("no")
        span = [text(view.short(each[key])) if key in each else "" for key in ("first", "last")]
        count = f"{each['exchanges']:,}" if "exchanges" in each else ""
        shown = text(held) if each["held"] and each["recorded"] else doubtful(held)
        rows.append([text(each["name"]), *span, count, f"{each['size']:,}", shown])
    page = view.heading("captures")
    if rows:
        heads = [*map(words, ("capture", "from", "to", "exchanges", "size", "held"))]
        page += paragraph(text(words("captures.text"))) + table(heads, rows, right=(3, 4), whole=(1, 2))
    else:
        page += paragraph(text(words("captures.none")))
    spans = [f"{view.local(each['from'])} … {view.local(each['to'])}" for each in view.summary["uncaptured"]]
    unnamed = any(each["held"] and not each["recorded"] for each in view.summary["captures"])
    told = paragraph(text(words("uncaptured.unnamed" if unnamed else "uncaptured")))
    return page + (told + bullets(map(text, spans)) if spans and rows else "")


def chain(view: View) -> str:
    """Return what ties the records together."""
    words, summary = view.words, view.summary
    seals = summary["seals"]
    items = [(words("chain.records"), f"{summary['records']:,}")]
    for key, seal in (("chain.first", seals[:1]), ("chain.last", seals[-1:])):
        told = [_seal(view, each) for each in seal] or [doubtful(words("seal.none"))]
        items.append((words(key), told[0]))
    page = view.heading("chain") + paragraph(text(words("chain.text"))) + pairs(items)
    if summary["gaps"]:
        gaps = [text(words("gap", **_gap(view, each))) for each in summary["gaps"]]
        page += paragraph(text(words("gaps"))) + bullets(gaps)
    return page


def _seal(view: View, seal: Body) -> str:
    told = view.words("seal", time=view.short(seal["time"]), seq=seal["seq"], count=seal["count"])
    return f"{text(told)}<br>{code(seal['hash'])}<br>{code(seal['public_key'])}"


def _gap(view: View, gap: Body) -> dict[str, object]:
    kinds = ", ".join(f"{count} {kind}" for kind, count in gap["kinds"].items()) or view.words("gap.unknown")
    return {**gap, "time": view.short(gap["time"]), "kinds": kinds}


def verify(view: View) -> str:
    """Return how to verify, step by step."""
    words, file = view.words, view.head["file"]
    command = f"energy-agent verify {file}"
    stamped_by = dict.fromkeys(each["name"] for each in view.summary["evidence"] if each["what"] == STAMP)
    steps = [
        text(words("verify.1", software=view.head["software"], section=number_of("made.with")))
        + _shown(_INSTALL.format(software=view.head["software"])),
        text(words("verify.2")) + _shown(command),
        text(words("verify.3"))
        + _shown(f"{command} --key {words('key.given')}\n{command} --seals {words('seals.given')}"),
        *(
            text(words("verify.stamps", by=by)) + _shown(f"{command} --authority {words('authority.given')}")
            for by in stamped_by
        ),
        text(words("verify.4")),
    ]
    page = view.heading("verify") + bullets(steps, numbered=True) + f"<h3>{text(words('verify.hand'))}</h3>\n"
    by_hand = [
        text(words("verify.hand.1")) + _shown(_CHECK_BY_HAND.format(file=file)),
        text(words("verify.hand.2")) + _shown(CHAIN_BY_HAND),
    ]
    return page + bullets(by_hand, numbered=True)


def contents(view: View) -> str:
    """Return what the archive holds."""
    words = view.words
    items = [(name, text(words(f"contents.{name}"))) for name in _CONTENTS]
    page = view.heading("contents") + paragraph(text(words("contents.text"))) + pairs(items)
    documents = () if view.summary["evidence"] else view.head["documents"]
    rows = [
        [text(words(f"what.{each['what']}")), text(each["name"]), code(f"documents/{each['sha256']}")]
        for each in documents
    ]
    return page + (table([*map(words, ("what", "name", "capture"))], rows, whole=(0, 1)) if rows else "")


def _shown(command: str) -> str:
    return f"<pre>{escape(command)}</pre>"
