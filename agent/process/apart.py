"""Functions run in a process of their own: what they load and leave behind goes with it.

Such a process has the interpreter and the path of this one, and gives its result back as a pickle through a pipe. Only
what this program wrote itself is ever unpickled.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from importlib import import_module
from typing import Any

_CALL = "import sys; sys.path[:] = {path!r}; from agent.process.apart import answer; answer(*sys.argv[1:])"


class ApartError(Exception):
    """Raised when the process ended without a result; says how."""


class Apart:
    """One call, begun: `function` of `module` with texts as arguments. It raises nothing but what can be pickled."""

    def __init__(self, module: str, function: str, *arguments: str) -> None:
        """Begin; raise OSError when no process can be had."""
        self._process = subprocess.Popen(  # noqa: S603  # this very interpreter
            [sys.executable, "-c", _CALL.format(path=sys.path), module, function, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the process that waits
        )

    def result(self) -> Any:
        """Wait for what the function returns, or raise what it raises; ApartError when it ended otherwise."""
        said, _ = self._process.communicate()
        try:
            returned, value = pickle.loads(said)  # noqa: S301  # see above
        except (EOFError, pickle.UnpicklingError):
            raise ApartError(_ending(self._process.returncode)) from None
        if returned:
            return value
        raise value


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
    return f"was ended by {name}"


def answer(module: str, function: str, *arguments: str) -> None:
    """Call a function and write to standard output what comes of it: the other end of `Apart`."""
    pipe = os.dup(1)
    with contextlib.suppress(OSError):  # there may be no standard error
        os.dup2(2, 1)  # whatever prints must not come between
    with os.fdopen(pipe, "wb") as output:
        try:
            result = (True, getattr(import_module(module), function)(*arguments))
        except Exception as error:  # noqa: BLE001 -- it is raised again at the other end
            result = (False, error)
        pickle.dump(result, output, pickle.HIGHEST_PROTOCOL)
