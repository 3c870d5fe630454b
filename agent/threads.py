"""Threads for what can only be waited for, such as a name service that does not answer."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class LooseThreads(ThreadPoolExecutor):
    """One thread for each call; nobody waits for those still running when the program ends.

    The C library takes half a minute to give up a name. A pool of the usual kind would keep a process that long
    after its end, and let everybody else's calls wait for a few names that nobody answers.
    """

    def submit(
        self, call: Callable[_Given, _Result], /, *args: _Given.args, **options: _Given.kwargs
    ) -> Future[_Result]:
        """Run `call` in a thread of its own."""
        future: Future[_Result] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call(*args, **options))
            except BaseException as error:  # noqa: BLE001  # the waiter gets it, whatever it is
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, **_options: Any) -> None:  # noqa: FBT001, FBT002  # as inherited
        """Leave the threads to themselves."""
