"""Who waits for a picture and who listens: gradio's queue has neither a limit for each visitor nor an end for the absent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gradio.block_function import BlockFunction
from gradio.queueing import Event, Queue

from adain.demo.guard import Refused

_SESSION = 8  # events of a browser tab that may wait
_ALL, _VISITOR = 60, 40  # those of a kind, such as pictures to paint; and of one address
_GRACE = 10  # seconds in which somebody must listen
_RESULT = 600  # seconds that a result waits for somebody


class Line:
    """Admits events to gradio's queue and drops those that nobody listens to.

    Args:
        queue: Of the page.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self._listeners: Counter[str] = Counter()
        self._heard: dict[str, float] = {}  # session: when it last joined or listened

    def __contains__(self, session: str) -> bool:
        return session in self.queue.pending_messages_per_session

    @contextmanager
    def listening(self, session: str) -> Iterator[None]:
        """Keep a session's events while somebody listens to it."""
        self._listeners[session] += 1
        try:
            yield
        finally:
            self._heard[session] = time.monotonic()
            self._listeners[session] -= 1
            if not self._listeners[session]:
                del self._listeners[session]

    async def admit(self, fn: BlockFunction, visitor: str, session: str | None) -> None:
        """Make room for one more event.

        Args:
            fn: What it will run.
            visitor: Their address.
            session: A browser tab's, or none for a call from a program.

        Raises:
            Refused: If as many wait already, and somebody listens to all of them.
        """
        for most, whose in ((_SESSION, "you"), (_VISITOR, "you"), (_ALL, "others")):
            waiting = [
                event
                for event in self._waiting()
                if (event.session_hash == session if most == _SESSION else event.concurrency_id == fn.concurrency_id)
                and (most != _VISITOR or _address(event) == visitor)
            ]
            if len(waiting) < most:
                continue
            unheard = next((event for event in waiting if event.session_hash not in self._listeners), None)
            if unheard is None:
                raise Refused(429, f"{len(waiting)} requests of {whose} are waiting already: try again in a minute.")
            await self.queue.clean_events(session_hash=unheard.session_hash)
        if session is not None:
            self._heard[session] = time.monotonic()

    async def drop_unheard(self) -> None:
        """Drop what nobody listens to: events after ten seconds, results after ten minutes. Call it often."""
        now = time.monotonic()
        running = [event for events in self.queue.active_jobs for event in events or () if event.streaming]
        for event in self._waiting() + running:
            heard = max(event.enqueue_time, self._heard.get(event.session_hash, 0))
            if event.session_hash not in self._listeners and now - heard > _GRACE:
                event.closed = True
                event.signal.set()
                await self.queue.clean_events(session_hash=event.session_hash)
        for session in {*self.queue.pending_messages_per_session, *self.queue.pending_event_ids_session}:
            heard = self._heard.setdefault(session, now)
            if session not in self._listeners and now - heard > _RESULT:
                self.queue.pending_event_ids_session.pop(session, None)
                self.queue.pending_messages_per_session.pop(session, None)
        for session in [s for s, heard in self._heard.items() if now - heard > _RESULT and s not in self._listeners]:
            del self._heard[session]

    def _waiting(self) -> list[Event]:
        return [event for kind in self.queue.event_queue_per_concurrency_id.values() for event in kind.queue]


def _address(event: Event) -> str:
    return event.request.client.host if event.request.client else ""
