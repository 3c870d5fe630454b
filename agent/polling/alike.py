"""What devices of one type share: the requests that read them, and the tables that decode the replies.

A codec and its plan take 20 kB and a millisecond; a plant may have a thousand meters of one make.
"""

from weakref import WeakValueDictionary

from agent.polling.learning import Learned
from drivers.codec import Codec
from drivers.profile import Profile

_Key = tuple[int, float, Learned]
_CODECS: WeakValueDictionary[_Key, Codec] = WeakValueDictionary()
"""By profile, cadence and what was learned. A codec holds its profile, so the identity of that stands for it."""


def codec_of(profile: Profile, every_s: float, learned: Learned) -> Codec:
    """Return the codec, with its planned requests, of devices read every so often [s] of which this was learned."""
    key = (id(profile), every_s, learned)
    codec = _CODECS.get(key)
    if codec is None:
        codec = _CODECS[key] = Codec(profile, learned.plan(profile, every_s))
    return codec
