"""The catalogue: plans by code, each in the version in force; every change is a new version."""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from itertools import chain
from time import sleep
from typing import NamedTuple

from msgspec.structs import replace

from consent_engine.domain.effects import Millis
from consent_engine.domain.grammar import Keyword, read
from consent_engine.domain.offer.address import Addresses, Kind, unfit
from consent_engine.domain.offer.plan import Plan
from consent_engine.domain.offer.versions import OURS, Listed, PageSeen, Proposal, Sale, Version, attested, unchecked
from consent_engine.errors import (
    Backdated,
    FieldError,
    Malformed,
    NothingProposed,
    PlanNotFound,
    ProposalChanged,
    ProposalReplaced,
    Refused,
    SameAdmin,
    SettingsError,
    StoreUnavailable,
)
from consent_engine.ports import Plans
from consent_engine.ports.records import CLOCKS_APART_MS

BACKDATED = "lies before this version is known: leave it out, or name a future instant"
BROUGHT_BACK = "this was proposed before, and a newer proposal took its place: name its hash to replace that one"
HOLDS_MS = 2_000
"""How long a decision may rest on the catalogue as it was read."""
_NEVER: Millis = 1 << 62
_AT_ITS_WORD = Addresses(checked=False)


def _means_something_else(plan: Plan) -> list[FieldError]:
    """Return an error where the word to end the plan is an answer already: it would confirm or stop something."""
    said = read(plan.tariff.unsubscribe.word or "")
    if said.keyword is Keyword.UNKNOWN and not said.code:
        return []
    return [FieldError("unsubscribe.word", "taken", "must not be a word that answers the confirmation SMS")]


class CatalogueRead(NamedTuple):
    """The catalogue as it was read, and the instant until which a commit may rest on it."""

    plans: Mapping[str, Listed]
    until: Millis


class Shelf:
    """The catalogue for decisions that are saved. watch: seconds by a clock that never jumps"""

    def __init__(self, catalogue: "Catalogue", watch: Callable[[], float]) -> None:
        self._catalogue = catalogue
        self._watch = watch
        self._standing: CatalogueRead | None = None
        self._read_at = 0.0

    def now(self) -> CatalogueRead:
        """Return the catalogue as it was read lately, so that a commit lands in time; else it is read now."""
        if self._standing is None or self._watch() - self._read_at >= HOLDS_MS / 2_000:
            self._read_at = self._watch()
            self._standing = self._catalogue.standing()
        return self._standing

    def known(self) -> Mapping[str, Listed]:
        """Return the plans; those known before while the catalogue's store is unavailable: other stores go on."""
        try:
            return self.now().plans
        except StoreUnavailable:
            return self._standing.plans if self._standing is not None else {}

    def renewed(self, standing: CatalogueRead) -> Millis:
        """Return until when a commit may rest on the catalogue as it was read: longer where a later reading says the
        same.
        """
        now = self.now()
        return now.until if now.plans is standing.plans else standing.until


class NothingToAttest(Refused, code="nothing_to_attest"):
    """The channel is checked automatically, or nothing is on sale."""


class Catalogue:
    """Plans, read again only when one was changed.

    wrong: returns the faults of a plan's texts · approval: whether putting a plan on sale takes a second admin ·
    addresses: where a plan may be published · rest: waits so many seconds
    """

    def __init__(
        self,
        registry: Plans,
        wrong: Callable[[Plan], list[FieldError]] = lambda _: [],
        *,
        approval: bool = False,
        addresses: Addresses = _AT_ITS_WORD,
        rest: Callable[[float], object] = sleep,
    ) -> None:
        self._registry = registry
        self._wrong = wrong
        self._approval = approval
        self._addresses = addresses
        self._rest = rest
        self._mark: str | None = None
        self._kept: dict[str, tuple[Version, ...]] = {}
        self._plans: dict[str, Listed] = {}
        self._until: Millis = 0

    def fresh(self) -> dict[str, Listed]:
        """Return every plan as the store has it now, in the version in force."""
        self._look()
        return self._plans

    def standing(self) -> CatalogueRead:
        """Return every plan as the store has it now, for decisions that are saved."""
        now = self._look()
        return CatalogueRead(self._plans, now + HOLDS_MS)

    def own_words(self) -> tuple[str, ...]:
        """Return the words that end the plans; those known before while the catalogue's store is unavailable."""
        try:
            plans = self.fresh()
        except StoreUnavailable:
            plans = self._plans
        tariffs = (each.plan.tariff for each in plans.values())
        return tuple(dict.fromkeys(each.unsubscribe.word for each in tariffs if each.unsubscribe.word))

    def _look(self) -> Millis:
        """Read changed plans again, and switch to versions whose instant has come; return the store's time."""
        mark, now = self._registry.catalogue_mark()
        if mark != self._mark:
            kept = self._registry.catalogue()
            if not self._addresses.checked:  # forget the results of earlier checks
                kept = {code: tuple(replace(each, seen={}) for each in versions) for code, versions in kept.items()}
            self._kept, self._mark, self._until = kept, mark, 0
        if now >= self._until:
            figures = frozenset(chain.from_iterable(_figures(versions[-1].plan) for versions in self._kept.values()))
            self._plans = {code: Listed.of(versions, now, figures) for code, versions in self._kept.items()}
            later = (each.begins for versions in self._kept.values() for each in versions)
            self._until = min((begins for begins in later if begins > now), default=_NEVER)
        return now

    def carrier_of(self, code: str, named: str | None) -> str:
        """Return the carrier of a plan. Raises Malformed for an unknown plan, or where `named` is another carrier."""
        listed = self.fresh().get(code)
        if listed is None:
            raise Malformed([FieldError("plan", "plan_unknown", "is no plan of the catalogue")])
        if named not in {None, listed.plan.carrier.value}:
            raise Malformed([FieldError("carrier", "not_the_plans", "must be the plan's own carrier, or left out")])
        return listed.plan.carrier.value

    def show(self, code: str) -> Listed:
        """Return one plan. Raises PlanNotFound."""
        try:
            return self.fresh()[code]
        except KeyError:
            raise PlanNotFound("no such plan in the catalogue") from None

    def check(self, plans: Sequence[Plan]) -> None:
        """Check that plans can be published. Raises Malformed with all their faults; a repeat is not checked."""
        now = self._look()
        new = [plan for plan in plans if not _repeats(self._plans.get(plan.code), plan, now)]
        found = [(plan.code, each) for plan in new for each in self._gaps(plan, now)]
        if found:
            raise Malformed([FieldError(f"{code}: {e.field}", e.code, e.message) for code, e in found])

    def publish(self, plan: Plan) -> Plan:
        """Make a plan the newest version of its code, on sale; a plan that says nothing new keeps its version.

        A version is known from now on: it is in force from then, or from the later instant that it names. Raises
        Malformed for a new plan with the faults of `_unrendered`, Backdated for one that says it was public before now.
        """
        now = self._look()
        listed = self._plans.get(plan.code)
        if listed is not None and _repeats(listed, plan, now):
            return listed.newest.plan
        return self._put_on_sale(plan, now)

    def _put_on_sale(self, plan: Plan, now: Millis, approved: tuple[Proposal, str] | None = None) -> Plan:
        """Publish a plan that says something new. Raises as `publish` does."""
        self._refuse(plan, now)
        newest = self._plans[plan.code].newest if plan.code in self._plans else None
        numbered = replace(plan, version=newest.number + 1 if newest is not None else 1)
        self._registry.publish(numbered, Sale.ON_SALE, newest, seen=self._unseen(plan, now), approved=approved)
        return self.show(plan.code).newest.plan

    def offer(self, plan: Plan, by: str, over: Container[str] = ()) -> Plan | Proposal:
        """Put a plan on sale; where that takes a second admin, propose it. Raises as `publish` does.

        A proposal replaces an earlier one, but what was proposed and replaced does not come back by itself: the same
        plan by the same admin may be a request that is sent again. over: the hashes of standing proposals that it may
        replace all the same. Raises ProposalReplaced, and ProposalChanged where another came meanwhile. Taking a plan
        from sale needs no approval: see `set_sale`.
        """
        now = self._look()
        if not self._approval or _repeats(self._plans.get(plan.code), plan, now):
            return self.publish(plan)
        self._refuse(plan, now)
        proposal, stands = Proposal(plan, by, now), self.proposals().get(plan.code)
        if stands is not None and stands.mark == proposal.mark:
            return stands
        if stands is not None and proposal.mark in stands.before and stands.plan.hash not in over:
            raise ProposalReplaced(f"{plan.code}: {BROUGHT_BACK}", by=stands.by, hash=stands.plan.hash)
        proposal = proposal.over(stands)
        self._registry.propose(proposal, stands)
        return proposal

    def proposals(self) -> dict[str, Proposal]:
        """Return the proposals that wait for an approval, by plan code."""
        return self._registry.proposals()

    def proposed(self, code: str) -> Proposal:
        """Return the proposal of one plan. Raises NothingProposed."""
        try:
            return self._registry.proposals()[code]
        except KeyError:
            raise NothingProposed("no version of this plan is proposed") from None

    def approve(self, code: str, by: str, seen: str = "") -> Plan:
        """Put on sale another admin's proposal: known from now on. seen: the hash of the proposal that was read; '':
        not named. Raises as `publish` does, NothingProposed, SameAdmin for the admin who proposed it, and
        ProposalChanged for another proposal than the one that was read, or that stood as this began.
        """
        now, proposal = self._look(), self.proposed(code)
        if proposal.by == by:
            raise SameAdmin("the admin who proposed a plan may not approve it: another admin must")
        if seen and seen != proposal.plan.hash:
            raise ProposalChanged("another version was proposed since you read it: read it again")
        listed = self._plans.get(code)
        if listed is not None and _repeats(listed, proposal.plan, now):
            self._registry.propose(None, proposal)
            return listed.newest.plan
        return self._put_on_sale(proposal.plan, now, (proposal, by))

    def _unseen(self, plan: Plan, now: Millis) -> dict[int, PageSeen]:
        """Return the first check results for the addresses of a new version."""
        kinds = [self._addresses.kind(each) for each in plan.published] if self._addresses.checked else []
        return {n: OURS if kind is Kind.OWN else unchecked(now) for n, kind in enumerate(kinds)}

    def attest(self, code: str, channel: str, by: str, reason: str) -> Listed:
        """Record once that, as an admin attests, a channel that cannot be checked shows the newest version.

        Raises PlanNotFound, and NothingToAttest where the channel can be checked, or the plan is not on sale.
        """
        now, newest = self._look(), self.show(code).newest
        named = [(n, seen) for n, seen in newest.seen.items() if newest.plan.published[n].channel == channel]
        asked = [
            (n, seen) for n, seen in named if self._addresses.kind(newest.plan.published[n]) is Kind.ATTESTED
        ]  # fmt: skip
        if not asked or newest.sale is not Sale.ON_SALE:
            raise NothingToAttest(
                "this channel needs no attestation: it is checked by program, or the plan is not on sale"
            )
        for n, seen in asked:
            if not seen.by:
                self._registry.note_seen(code, newest.number, n, attested(now, by, reason), changed=True)
        return self.show(code)

    def _refuse(self, plan: Plan, now: Millis) -> None:
        """Raise the error that keeps a new plan from being put on sale, if there is one."""
        if wrong := self._unrendered(plan):
            raise Malformed(wrong)
        if before := plan.dated_before(now):
            raise Backdated(BACKDATED, field=before[0])

    def _gaps(self, plan: Plan, now: Millis) -> list[FieldError]:
        """Return the faults that keep a new plan from being published."""
        return self._unrendered(plan) + [FieldError(field, "backdated", BACKDATED) for field in plan.dated_before(now)]

    def _unrendered(self, plan: Plan) -> list[FieldError]:
        """Return a plan's faults: texts too long, a word with another meaning, pages that do not show it."""
        shown = unfit(plan, self._addresses, self._kept.get(plan.code, ()))
        return [*self._wrong(plan), *_means_something_else(plan), *shown]

    def set_sale(self, code: str, sale: Sale) -> Listed:
        """Withdraw a plan (orders under way still count) or revoke it: a version of its own, from now on.

        A version that is not in force yet is taken back with it. A repeat changes nothing. Once this returns, nothing
        is saved any more that was decided on what was known before: it waits, for three seconds at most. Raises
        PlanNotFound.
        """
        listed = self.show(code)
        newest = listed.newest
        if newest.sale is not sale:
            plan = replace(listed.plan, version=newest.number + 1)
            self._registry.publish(plan, sale, newest)
        last, now = HOLDS_MS + CLOCKS_APART_MS, self._look()
        if (left := min(self.show(code).newest.known_at + last - now, last)) > 0:
            self._rest(left / 1000)
        return self.show(code)

    def stock(self, sample: Sequence[Plan]) -> list[str]:
        """Add sample plans whose codes are new and whose texts can be sent; return their codes.

        A sample is no promise to anyone: the instants that it names are taken as they are.
        """
        known = self.fresh()
        added = [plan for plan in sample if plan.code not in known and not self._wrong(plan)]
        for plan in added:
            self._registry.publish(plan, Sale.ON_SALE, None, known_at=0, seen=self._unseen(plan, 0))
        return [plan.code for plan in added]

    def stands(self, plan: Plan) -> bool:
        """Whether a plan says what the version in force, or the newest, said when the catalogue was last read."""
        listed = self._plans.get(plan.code)
        return listed is not None and any(each.repeated_by(plan) for each in (listed.plan, listed.newest.plan))

    def add_missing(self, plans: Sequence[Plan]) -> list[str]:
        """Add missing codes (at start). Raises SettingsError for a faulty one, or an existing one that differs."""
        now = self._look()
        known = self._plans
        added = []
        for plan in plans:
            current = known.get(plan.code)
            if current is None and (wrong := self._gaps(plan, now)):
                raise SettingsError(f"CONSENT_PLANS: plan {plan.code}: its {wrong[0].field} {wrong[0].message}")
            if current is None:
                added.append(self.publish(plan).code)
            elif not self.stands(plan):
                version = current.newest.number
                raise SettingsError(
                    f"CONSENT_PLANS: plan {plan.code} differs from version {version}: load it: `consent plans load`"
                )
        return added


def _repeats(listed: Listed | None, plan: Plan, now: Millis) -> bool:
    """Whether a plan repeats its newest version. A future version is not repeated by a plan that is to count now."""
    if listed is None or listed.newest.sale is not Sale.ON_SALE or not listed.newest.plan.repeated_by(plan):
        return False
    return listed.newest.begins <= now or any(each.since is not None for each in plan.published)


def _figures(plan: Plan) -> list[str]:
    """Return every sequence of three digits in a plan."""
    return re.findall(r"(?=(\d{3}))", plan.encode())
