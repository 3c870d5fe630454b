"""Functions run in a process of their own: what they load and leave behind goes with it.

Such a process has the interpreter and the path of this one, or is a copy of it, and gives its result back as a pickle
through a pipe. Only what this program wrote itself is ever unpickled.
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
from typing import Any, NoReturn

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
            raise _not_begun(error) from error

    def end(self) -> None:
        """End it: nobody wants the result any more."""
        self._process.kill()

    def result(self) -> Any:
        """Wait for what the function returns, or raise what it raises; WorkerError when it ended otherwise."""
        said, _ = self._process.communicate()
        return _result(said, self._process.returncode)


class Copy:
    """One call, begun, as `Worker`, but in a copy of this process, which must have one thread: it is spared loading."""

    def __init__(self, module: str, function: str, *arguments: str) -> None:
        """Begin; raise WorkerError when no process can be had."""
        # Where the caller of the program has it ignored, the system forgets a child that ends, and its number is free.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        try:
            reading, writing = os.pipe()
        except OSError as error:
            raise _not_begun(error) from error
        try:
            self._pid = os.fork()
        except OSError as error:
            os.close(reading)
            os.close(writing)
            raise _not_begun(error) from error
        if not self._pid:
            os.close(reading)
            _be_copy(writing, module, function, *arguments)
        os.close(writing)
        self._output = os.fdopen(reading, "rb")
        self._ended = False

    def end(self) -> None:
        """End it: nobody wants the result any more."""
        if not self._ended:
            os.kill(self._pid, signal.SIGKILL)

    def result(self) -> Any:
        """Do as that of `Worker`."""
        with self._output:
            said = self._output.read()
        self._ended = True  # from here on its number may be that of another process
        _, status = os.waitpid(self._pid, 0)
        return _result(said, os.waitstatus_to_exitcode(status))


def _result(said: bytes, code: int) -> Any:
    try:
        returned, value = pickle.loads(said)  # noqa: S301  # see above
    except (EOFError, pickle.UnpicklingError):
        raise WorkerError(_ending(code)) from None
    if returned:
        return value
    raise value


def _be_copy(pipe: int, module: str, function: str, *arguments: str) -> NoReturn:
    """Do in a copy what a process that was begun anew does, and end it: nothing of the other may go on in it."""
    code = 1
    try:
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_DFL)
        os.setsid()
        _give(pipe, module, function, *arguments)
        code = 0
    except BaseException:  # noqa: BLE001 -- as the interpreter does with what nobody catches
        traceback.print_exc()
    finally:
        os._exit(code)


def _not_begun(error: OSError) -> WorkerError:
    return WorkerError(f"could not begin ({error.strerror or error})")


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
    return f"was ended by {name}"


def answer(module: str, function: str, *arguments: str) -> None:
    """Call a function and write to standard output what comes of it: the other end of `Worker`."""
    _give(os.dup(1), module, function, *arguments)


def _give(pipe: int, module: str, function: str, *arguments: str) -> None:
    gc.disable()  # it ends before there is garbage to speak of
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
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
