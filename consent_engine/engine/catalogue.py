"""The catalogue: plans by code, each in its current version; a change of anything is a new version."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from consent_engine.domain.admission.admit import Listed, Sale
from consent_engine.domain.offer.plan import Plan
from consent_engine.errors import DisclosureMissing, FieldError, Malformed, PlanNotFound, SettingsError
from consent_engine.ports import Plans

IN_SENTENCES = "says price and validity in sentences: say them as fields, as docs/plans.md shows"


class Catalogue:
    """Plans, read again only when somebody changed one. wrong: what keeps a plan from being told."""

    def __init__(self, registry: Plans, wrong: Callable[[Plan], list[FieldError]] = lambda _: []) -> None:
        self._registry = registry
        self._wrong = wrong
        self._mark: str | None = None
        self._plans: dict[str, Listed] = {}

    def fresh(self) -> dict[str, Listed]:
        """Every plan as the store has it now."""
        mark = self._registry.catalogue_mark()
        if mark != self._mark:
            self._plans = self._registry.catalogue()
            self._mark = mark
        return self._plans

    def carrier_of(self, code: str, named: str | None) -> str:
        """The carrier of a plan, `named` if anybody named one; raises Malformed, also where that is another's."""
        listed = self.fresh().get(code)
        if listed is None:
            raise Malformed([FieldError("plan", "plan_unknown", "is no plan of the catalogue")])
        if named not in {None, listed.plan.carrier.value}:
            raise Malformed([FieldError("carrier", "not_the_plans", "must be the plan's own, or left out")])
        return listed.plan.carrier.value

    def show(self, code: str) -> Listed:
        """One plan; raises PlanNotFound."""
        try:
            return self.fresh()[code]
        except KeyError:
            raise PlanNotFound("no such plan in the catalogue") from None

    def check(self, plans: Sequence[Plan]) -> None:
        """Raises Malformed with everything that keeps any of these from being told; what is there already may stay."""
        known = self.fresh()
        new = [plan for plan in plans if plan.code not in known or not known[plan.code].plan.same(plan)]
        found = [(plan.code, each) for plan in new for each in self._gaps(plan)]
        if found:
            raise Malformed([FieldError(f"{code}: {e.field}", e.code, e.message) for code, e in found])

    def publish(self, plan: Plan) -> Plan:
        """Make a plan the current one of its code; what says nothing new stays the version it is.

        Raises DisclosureMissing for a plan that says it in sentences and is new, and Malformed for one whose texts are
        too long.
        """
        current = self.fresh().get(plan.code)
        if current is not None and current.plan.same(plan):
            return current.plan
        if plan.tariff is None:
            raise DisclosureMissing(IN_SENTENCES, missing="term, renewal, replaces")
        if wrong := self._wrong(plan):
            raise Malformed(wrong)
        plan = replace(plan, version=current.plan.version + 1 if current is not None else 1)
        self._registry.publish(plan, Sale.ON_SALE, current)
        return plan

    def _gaps(self, plan: Plan) -> list[FieldError]:
        """What keeps a new plan from being published."""
        if plan.tariff is None:
            return [FieldError("price", "disclosure_missing", IN_SENTENCES)]
        return self._wrong(plan)

    def set_sale(self, code: str, sale: Sale) -> Listed:
        """Put a plan on sale, withdraw it (what is under way counts), or revoke it; raises PlanNotFound."""
        listed = self.show(code)
        self._registry.publish(listed.plan, sale, listed)
        return Listed(listed.plan, sale)

    def versions(self, code: str) -> list[Plan]:
        """Every version of a plan, oldest first; raises PlanNotFound."""
        return self._registry.plan_versions(self.show(code).plan.code)

    def add_missing(self, plans: Sequence[Plan], *, differing_stops: bool = True) -> list[str]:
        """Add codes that are not there (at start); raises SettingsError for one that is there and says otherwise."""
        known = self.fresh()
        added = []
        for plan in plans:
            current = known.get(plan.code)
            if current is None and (wrong := self._gaps(plan)):
                if differing_stops:
                    raise SettingsError(f"CONSENT_PLANS: plan {plan.code}: its {wrong[0].field} {wrong[0].message}")
            elif current is None:
                added.append(self.publish(plan).code)
            elif differing_stops and not current.plan.same(plan):
                version = current.plan.version
                raise SettingsError(
                    f"CONSENT_PLANS: plan {plan.code} differs from version {version}: load it: `consent plans load`"
                )
        return added
