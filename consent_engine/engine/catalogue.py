"""The catalogue: plans by code, each in its current version; a change of anything is a new version."""

from collections.abc import Callable, Sequence

from consent_engine.domain.admission.admit import Listed, Sale
from consent_engine.domain.offer.plan import Plan
from consent_engine.errors import FieldError, Malformed, PlanNotFound, SettingsError
from consent_engine.ports import Plans


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
        new = (plan for plan in plans if plan.code not in known or known[plan.code].plan.hash != plan.hash)
        found = [(plan.code, each) for plan in new for each in self._wrong(plan)]
        if found:
            raise Malformed([FieldError(f"{code}: {e.field}", e.code, e.message) for code, e in found])

    def publish(self, plan: Plan) -> Plan:
        """Make a plan the current one of its code; what says nothing new stays the version it is.

        Raises Malformed for a plan whose texts are too long.
        """
        current = self.fresh().get(plan.code)
        if current is not None and current.plan.hash == plan.hash:
            return current.plan
        if wrong := self._wrong(plan):
            raise Malformed(wrong)
        if current is not None:
            plan = plan.model_copy(update={"version": current.plan.version + 1})
        else:
            plan = plan.model_copy(update={"version": 1})
        self._registry.publish(plan, Sale.ON_SALE, current)
        return plan

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
            if current is None and (wrong := self._wrong(plan)):
                if differing_stops:
                    raise SettingsError(f"CONSENT_PLANS: plan {plan.code}: its {wrong[0].field} {wrong[0].message}")
            elif current is None:
                added.append(self.publish(plan).code)
            elif differing_stops and current.plan.hash != plan.hash:
                version = current.plan.version
                raise SettingsError(
                    f"CONSENT_PLANS: plan {plan.code} differs from version {version}: load it: `consent plans load`"
                )
        return added
