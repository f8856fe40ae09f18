"""What each commit sets off in this process: it is counted, streams show it, the engine takes notice."""

from __future__ import annotations

from .. import metrics
from ..credentials.pass_through.resolver import PassThroughResolver
from ..ports import Engine
from ..store.journal import OnCommit
from ..store.write_requests import Append, Created, Creation
from ..streams import Hub


class CommitFeed:
    """Hands every commit of a journal to its followers, in the order in which they began to follow.

    It is made before the journal, and its followers after it: they read from the journal.
    """

    def __init__(self) -> None:
        self._followers: list[OnCommit] = []

    def follow(self, follower: OnCommit) -> None:
        """Call `follower` for each commit from now on, in the event loop. It must not raise."""
        self._followers.append(follower)

    def __call__(self, work: Creation | Append, created: Created | None) -> None:
        for follower in self._followers:
            follower(work, created)


def commit_router(hub: Hub, passed: PassThroughResolver, engine: Engine) -> OnCommit:
    """Count a commit, show it to the streams of its run, and let the engine go on, in this order."""

    def route(work: Creation | Append, created: Created | None) -> None:
        if isinstance(work, Append):
            metrics.committed(work.records)
            hub.publish(work.tenant, work.run_id, work.records)
            if work.run.passed and work.run.ended:
                passed.forget(work.tenant, work.run_id)
            if work.epoch is None:  # by a caller, not by who executes the run
                engine.nudge(work.tenant, work.run_id)
        elif created is not None and created.run is not None:
            metrics.committed(created.records)
            hub.publish(work.tenant, work.run_id, created.records)
            engine.submit(work.tenant, work.run_id, created.run, work.inputs)

    return route
