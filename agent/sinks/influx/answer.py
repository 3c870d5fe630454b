"""An HTTP answer of which only the beginning is kept: whoever answers, it costs no memory and ends in time.

Imported with the library that uses it, because aiohttp takes its time.
"""

from agent.web import ClientResponse

LONGEST = 4096
"""Bytes that are read of an answer; a database's reason for a refusal fits."""


class BriefAnswer(ClientResponse):
    """What a server answered, cut."""

    async def read(self) -> bytes:
        """Return the beginning of the body; close the connection when there is more of it."""
        found = b""
        while len(found) < LONGEST and (part := await self.content.read(LONGEST - len(found))):
            found += part
        if not self.content.at_eof():
            self.close()
        return found
