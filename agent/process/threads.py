"""Threads for what can only be waited for, such as a name service that does not answer; the loop that uses them."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

import uvloop

MOST_NAMES = 24
"""Names asked for at a time. One may stay unanswered for half a minute, and the unit allows 64 tasks (`TasksMax=`)."""
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_Question = tuple[Any, ...]


class LooseThreads(ThreadPoolExecutor):
    """A thread for each call that is under way; nobody waits for those still running when the program ends.

    The C library takes half a minute to give up a name. A pool of the usual kind would keep a process that long
    after its end, and let everybody else's calls wait for a few names that nobody answers. One thread that has done
    its call stays for the next: some come each second, and to begin and end a thread costs more than most of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._idle = False
        """Whether a thread waits for the next call."""
        self._over = False

    def submit(
        self, call: Callable[_Given, _Result], /, *args: _Given.args, **options: _Given.kwargs
    ) -> Future[_Result]:
        """Run `call` in a thread that nothing else runs in; raise RuntimeError when none can be had."""
        if self._over:
            raise RuntimeError("the threads are shut down")
        future: Future[_Result] = Future()
        with self._lock:
            idle, self._idle = self._idle, False
        if not idle:
            threading.Thread(target=self._work, daemon=True).start()
        self._calls.put((future, partial(call, *args, **options)))
        return future

    def _work(self) -> None:
        while self._serve(*self._calls.get()):
            pass

    def _serve(self, future: Future[Any], call: Callable[[], Any]) -> bool:
        """Run a call; return whether to wait for another one."""
        told: Callable[[], None] | None = None
        if future.set_running_or_notify_cancel():
            try:
                told = partial(future.set_result, call())
            except BaseException as error:  # noqa: BLE001  # the waiter gets it, whatever it is
                told = partial(future.set_exception, error)
        with self._lock:
            stays = not self._idle and not self._over
            self._idle = self._idle or stays
        if told:  # only now: who hears of it and has another call finds this thread idle
            told()
        del future, call, told  # an exception knows this frame, and would keep itself
        return stays

    def shutdown(self, wait: bool = True, **_options: Any) -> None:  # noqa: ARG002, FBT001, FBT002  # as inherited
        """Leave the threads to themselves, but for one that waits for a call."""
        with self._lock:
            idle, self._idle, self._over = self._idle, False, True
        if idle:
            nothing: Future[None] = Future()
            nothing.cancel()
            self._calls.put((nothing, bool))


class Loop(uvloop.Loop):
    """uvloop's event loop, with a loose thread for each call and each name.

    uvloop asks for names in four threads of libuv: four that nobody answers hold up all others, and the process
    does not end before each has been given up.
    """

    def __init__(self) -> None:
        super().__init__()
        self._threads = LooseThreads()
        self.set_default_executor(self._threads)
        self._asked: dict[_Question, asyncio.Future[list[Any]]] = {}
        """Names nobody has answered yet, whoever still waits for them."""

    async def getaddrinfo(self, host: Any, port: Any, **hints: int) -> list[Any]:
        """Do what `socket.getaddrinfo` does, in a thread; who asks the same meanwhile gets the same answer.

        Raises socket.gaierror, too, while `MOST_NAMES` wait for an answer.
        """
        question = (host, port, *sorted(hints.items()))
        asked = self._asked.get(question)
        if asked is None:
            if len(self._asked) >= MOST_NAMES:
                raise socket.gaierror(socket.EAI_AGAIN, f"{MOST_NAMES} other names wait for the name server")
            asking = self._threads.submit(partial(socket.getaddrinfo, host, port, **hints))
            asked = asyncio.wrap_future(asking, loop=self)
            asked.add_done_callback(partial(self._answered, question))
            self._asked[question] = asked
        return await asyncio.shield(asked)

    def _answered(self, question: _Question, asked: asyncio.Future[list[Any]]) -> None:
        del self._asked[question]
        if not asked.cancelled():
            asked.exception()  # it is known, even if nobody waits for it any more

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        """Connect as every loop does, to the first address of a name that lets itself be connected to."""
        if not host or _is_address(host):
            return await super().create_connection(protocol_factory, host, port, **options)
        if options.get("ssl"):
            options["server_hostname"] = options.get("server_hostname") or host
        hints = {name: options.pop(name, 0) for name in ("family", "proto", "flags")}
        found = await self.getaddrinfo(host, port, type=socket.SOCK_STREAM, **hints)
        problem = OSError(f"{host} has no address")
        for *_, address in found:
            try:
                return await super().create_connection(protocol_factory, *address[:2], **options)
            except OSError as error:
                problem = error
        raise problem


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
