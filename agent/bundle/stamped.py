"""The time stamps among records, in the words of a verdict."""

from agent.audit.chain_report import ChainReport
from agent.audit.stamps import MOST_NAMED, Stamps
from agent.audit.trusted import Trusted
from agent.bundle.verdict import Verdict
from agent.record import rfc3339

STAMPS = "time stamps"


def judge_stamps(verdict: Verdict, stamps: Stamps, chain: ChainReport, trusted: Trusted) -> None:
    """Say what the time stamps of a chain prove; nothing where there are none and nobody asks."""
    # What the agent had to drop, or lost, it says itself: that is all a chain that holds remarks on.
    complete = chain.from_the_beginning and not chain.remarks
    report = stamps.judge(trusted.authorities, complete=complete)
    for finding in report.findings[:MOST_NAMED]:
        verdict.fails(STAMPS, str(finding))
    for remark in report.remarks[:MOST_NAMED]:
        verdict.unchecked(STAMPS, remark)
    if not report.stamps and trusted.authorities:
        verdict.unchecked(STAMPS, "there is none among these records")
    if not report.right or report.findings or chain.findings:
        return
    last = max(report.right, key=lambda stamp: stamp.time_ns)
    proved = f"records up to {last.through} were there at {rfc3339(last.time_ns).replace('.000000Z', 'Z')}"
    if trusted.authorities:
        whole = f"{len(report.right)} of {report.stamps} are signed by an authority that you gave"
        verdict.held_against.append("the time stamping authority")
        verdict.holds(STAMPS, f"{whole}; the last, by {last.by}: {proved}")
    else:
        whole = f"{len(report.right)} of {report.stamps} are over seals that are here, and of their time"
        text = f"{whole}; the last calls its signer {last.by} and says that {proved}"
        verdict.unchecked(STAMPS, f"{text}. Whether it was that authority: give its certificate with --authority")
