"""A small model of what the policies promise, written from their description and from nothing in the package.

Time is seconds since the start. A job fires at `first`, `first + every`, and so on. Runs take what their job says, and
there is a slot for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NEVER = float("inf")


@dataclass
class Rules:
    """The policies of a job."""

    overlap: str = "queue_one"
    coalesce: bool = True
    grace: float | None = None
    delivery: str = "at_least_once"
    max_instances: int = 1
    key: str | None = None
    priority: int = 0


@dataclass
class Work:
    """One run: of a firing, or by hand (`firing` is False)."""

    job: Plan
    at: float
    firing: bool
    number: int
    ready: float
    priority: int
    delivery: str
    key: str | None
    state: str = "new"
    reason: str | None = None
    ends: float = NEVER
    cancelled: bool = False

    @property
    def takes_a_place(self) -> bool:
        return self.state in ("queued", "running")


@dataclass
class Plan:
    """A job: its schedule, its rules, and what became of its firings."""

    name: str
    number: int
    first: float
    every: float
    takes: float
    rules: Rules
    next: float = 0.0
    paused: bool = False
    until: float | None = None
    skip: int = 0
    works: list[Work] = field(default_factory=list)
    ranges: list[tuple[float, float, int, str]] = field(default_factory=list)

    def due(self, now: float, *, before: bool = False) -> list[float]:
        """Take the firings up to now (or only before it) off the schedule."""
        taken = []
        while self.next < now or (self.next == now and not before):
            taken.append(self.next)
            self.next += self.every
        return taken

    def miss(self, firings: list[float], reason: str) -> None:
        if firings:
            self.ranges.append((firings[0], firings[-1], len(firings), reason))


class World:
    """All jobs, and whether an engine is there."""

    def __init__(self) -> None:
        self.now = 0.0
        self.plans: list[Plan] = []
        self.up = True
        self.paused_since: float | None = None
        self.fell = ""
        self.made = 0
        self.open: list[Work] = []
        # a pass knows that they ended, and has not written it yet: nothing cancels them any more
        self.seen_to_end: list[Work] = []

    # what people do

    def add(self, plan: Plan) -> None:
        plan.next = plan.first
        self.plans.append(plan)

    def by_hand(self, plan: Plan) -> None:
        work = self.new(plan, self.now, firing=False)
        work.state = "queued" if self.has_room(work) else "blocked"
        self.look()

    def pause(self, plan: Plan, until: float | None) -> None:
        self.catch_up(plan)
        plan.paused = True
        plan.until = until if until is not None else plan.until
        self.look()

    def resume(self, plan: Plan) -> None:
        if plan.paused:
            if plan.until is not None and plan.until <= self.now:
                plan.miss(plan.due(plan.until, before=True), "paused")
            else:
                plan.miss(plan.due(self.now), "paused")
            plan.paused, plan.until = False, None
        self.look()

    def skip(self, plan: Plan, count: int) -> None:
        self.catch_up(plan)
        plan.skip = count
        self.look()

    def change(self, plan: Plan, rules: Rules) -> None:
        self.catch_up(plan)
        lines_up = (plan.rules.max_instances, plan.rules.key) != (rules.max_instances, rules.key)
        plan.rules = rules
        if lines_up:
            for work in self.open:
                if work.job is plan and work.state in ("queued", "blocked"):
                    work.state, work.key = "blocked", rules.key
        self.fill()
        self.look()

    def reschedule(self, plan: Plan, every: float) -> None:
        self.catch_up(plan)
        if plan.paused:
            plan.miss(plan.due(self.now), "paused")
        plan.every = every
        plan.first = plan.next = self.now + every
        self.look()

    def pause_all(self) -> None:
        if self.paused_since is None:
            self.paused_since = self.now

    def resume_all(self) -> None:
        for plan in sorted(self.plans, key=lambda plan: (plan.next, plan.number)):
            self.catch_up(plan)
        self.paused_since = None
        self.look()

    def fall(self, reason: str) -> None:
        """The engine is gone. One that stops gives back what it holds, the next one finds what a killed one held."""
        self.up = False
        self.fell = reason
        if reason == "shutdown":
            self.take_over()

    def rise(self) -> None:
        """Another engine is there."""
        self.up = True
        self.take_over()
        self.look()

    def take_over(self) -> None:
        for work in self.in_order("running"):
            if work.cancelled:
                work.state, work.reason = "cancelled", self.fell
            elif work.delivery == "at_most_once":
                work.state, work.reason = "lost", self.fell
            else:
                work.state, work.reason, work.ready, work.ends = "queued", self.fell, self.now, NEVER
                if work.key != work.job.rules.key:
                    work.state, work.key = "blocked", work.job.rules.key
        self.fill()

    # what follows

    def advance(self, until: float) -> None:
        while (moment := self.next_moment()) <= until:
            self.now = moment
            self.look()
        self.now = until

    def next_moment(self) -> float:
        if not self.up:
            return NEVER
        moments = [work.ends for work in self.open if work.state == "running"]
        if self.paused_since is None:
            moments += [plan.next for plan in self.plans if not plan.paused]
            moments += [plan.until for plan in self.plans if plan.paused and plan.until is not None]
        return max(self.now, min(moments, default=NEVER))

    def look(self) -> None:
        """What an engine does at a moment, until nothing is left to do."""
        while self.up and self.step():
            pass

    def step(self) -> bool:
        ended = [work for work in self.in_order("running") if work.cancelled or work.ends <= self.now]
        for work in ended:
            work.state = "cancelled" if work.cancelled else "succeeded"
            work.reason = "overlap" if work.cancelled else None
            work.ends = self.now
        if ended:
            self.fill()
        if self.paused_since is not None:
            return bool(ended)
        over = [plan for plan in self.plans if plan.paused and plan.until is not None and plan.until <= self.now]
        due = [plan for plan in self.plans if not plan.paused and plan.next <= self.now]
        for plan in over:
            plan.miss(plan.due(plan.until or 0.0, before=True), "paused")
            plan.paused, plan.until = False, None
        for plan in sorted(due, key=lambda plan: (plan.next, plan.number)):
            self.fire(plan, self.now)
        self.fill()
        starting = list(self.in_order("queued"))
        for work in starting:
            work.state, work.reason, work.ends = "running", None, self.now + work.job.takes
        return bool(ended or over or due or starting)

    def catch_up(self, plan: Plan) -> None:
        """A change comes after all that was due before it."""
        if plan.paused and plan.until is not None and plan.until <= self.now:
            plan.miss(plan.due(plan.until, before=True), "paused")
            plan.paused, plan.until = False, None
        if plan.paused:
            return
        since = self.paused_since
        if since is None:
            self.fire(plan, self.now)
        else:
            self.fire(plan, min(since, self.now))
            plan.miss(plan.due(self.now), "paused")
        self.fill()

    def fire(self, plan: Plan, now: float) -> None:
        firings = plan.due(now)
        for at in firings[: plan.skip]:
            work = self.new(plan, at, firing=True)
            work.state, work.reason = "skipped", "requested"
        skipped = min(plan.skip, len(firings))
        plan.skip -= skipped
        rest = firings[skipped:]
        late = [at for at in rest if plan.rules.grace is not None and now - at > plan.rules.grace]
        if plan.rules.coalesce and rest:
            if rest[-1] in late:
                plan.miss(rest, "misfire_grace_time")
                return
            plan.miss(rest[:-1], "coalesced")
            self.place(plan, rest[-1])
        elif rest:
            plan.miss(late, "misfire_grace_time")
            fresh = rest[len(late) :]
            plan.miss(fresh[:-100], "coalesced")
            for at in fresh[-100:]:
                self.place(plan, at)

    def place(self, plan: Plan, at: float) -> None:
        work = self.new(plan, at, firing=True)
        mine = [other for other in self.open if other.job is plan]
        waiting = sum(other.state == "blocked" for other in mine)
        if self.has_room(work):
            work.state = "queued"
        elif plan.rules.overlap == "cancel_running":
            for other in mine:
                if other.state == "running" and not any(other is done for done in self.seen_to_end):
                    other.cancelled, other.reason = True, "overlap"
                elif other.firing and other.state in ("queued", "blocked"):
                    other.state, other.reason = "cancelled", "overlap"
            self.fill()
            work.state = "queued" if self.has_room(work) else "blocked"
        elif waiting < {"queue_one": 1, "queue_all": 100, "skip": 0}[plan.rules.overlap]:
            work.state = "blocked"
        else:
            work.state, work.reason = "skipped", "overlap"

    def new(self, plan: Plan, at: float, *, firing: bool) -> Work:
        self.made += 1
        rules = plan.rules
        work = Work(plan, at, firing, self.made, self.now, rules.priority, rules.delivery, rules.key)
        plan.works.append(work)
        self.open.append(work)
        return work

    def has_room(self, work: Work) -> bool:
        busy = [other for other in self.open if other.takes_a_place]
        taken = sum(other.job is work.job for other in busy)
        locked = work.key is not None and any(other.key == work.key for other in busy)
        return taken < work.job.rules.max_instances and not locked

    def fill(self) -> None:
        """Whoever waits and has room now may start, the most important first; it stands in line from now on."""
        for work in self.in_order("blocked"):
            if self.has_room(work):
                work.state, work.reason, work.ready = "queued", None, self.now

    def in_order(self, state: str) -> list[Work]:
        self.open = [work for work in self.open if work.state in ("new", "queued", "running", "blocked")]
        found = [work for work in self.open if work.state == state]
        return sorted(found, key=lambda work: (-work.priority, work.ready, work.number))
