"""Functions run in a process of their own: what they load and leave behind goes with it.

Such a process has the interpreter and the path of this one, and gives its result back as a pickle through a pipe. Only
what this program wrote itself is ever unpickled.
"""

import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

_CALL = "import sys; sys.path[:] = {path!r}; from agent.process.worker import answer; answer(*sys.argv[1:])"
_FIRST_TO_GO = "500"
"""Where memory runs out, this process is ended, and not the one that waits for it: proc_pid_oom_score_adj(5)."""
_NO_PLUGINS = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""pydantic would look through all packages for some: 30 ms, and none has a say in what is right."""


class WorkerError(Exception):
    """Raised when there is no result; says why, of the process."""


class Worker:
    """One call, begun: `function` of `module` with texts as arguments. It raises nothing but what can be pickled."""

    def __init__(self, module: str, function: str, *arguments: str) -> None:
        """Begin; raise WorkerError when no process can be had."""
        try:
            self._process = subprocess.Popen(  # noqa: S603  # this very interpreter
                [sys.executable, "-c", _CALL.format(path=sys.path), module, function, *arguments],
                stdout=subprocess.PIPE,
                env=os.environ | _NO_PLUGINS,
                start_new_session=True,  # Ctrl-C is for the process that waits
            )
        except OSError as error:
            raise WorkerError(f"could not begin ({error.strerror or error})") from error

    def end(self) -> None:
        """End it: nobody wants the result any more."""
        self._process.kill()

    def result(self) -> Any:
        """Wait for what the function returns, or raise what it raises; WorkerError when it ended otherwise."""
        said, _ = self._process.communicate()
        try:
            returned, value = pickle.loads(said)  # noqa: S301  # see above
        except (EOFError, pickle.UnpicklingError):
            raise WorkerError(_ending(self._process.returncode)) from None
        if returned:
            return value
        raise value


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
    return f"was ended by {name}"


def answer(module: str, function: str, *arguments: str) -> None:
    """Call a function and write to standard output what comes of it: the other end of `Worker`."""
    gc.disable()  # it ends before there is garbage to speak of
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
    pipe = os.dup(1)
    with contextlib.suppress(OSError):  # there may be no standard error
        os.dup2(2, 1)  # whatever prints must not come between
    try:
        result = (True, getattr(import_module(module), function)(*arguments))
    except Exception as error:  # noqa: BLE001 -- it is raised again at the other end
        error.add_note(f"In the process of its own:\n{traceback.format_exc()}")
        result = (False, error)
    said = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    with contextlib.suppress(BrokenPipeError), os.fdopen(pipe, "wb") as output:  # whoever waited may be gone
        output.write(said)
