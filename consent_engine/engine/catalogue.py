"""The catalogue: plans by code, each in its current version; a change of anything is a new version."""

from collections.abc import Sequence

from consent_engine.domain.admission.admit import Listed, Sale
from consent_engine.domain.offer.plan import Plan
from consent_engine.errors import PlanNotFound, SettingsError
from consent_engine.ports import Registry


class Catalogue:
    """Plans, read again only when somebody changed one."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._mark: str | None = None
        self._plans: dict[str, Listed] = {}

    def fresh(self) -> dict[str, Listed]:
        """Every plan as the store has it now."""
        mark = self._registry.catalogue_mark()
        if mark != self._mark:
            self._plans = self._registry.catalogue()
            self._mark = mark
        return self._plans

    def show(self, code: str) -> Listed:
        """One plan; raises PlanNotFound."""
        try:
            return self.fresh()[code]
        except KeyError:
            raise PlanNotFound("no such plan in the catalogue") from None

    def publish(self, plan: Plan) -> Plan:
        """Make a plan the current one of its code; what says nothing new stays the version it is."""
        current = self.fresh().get(plan.code)
        if current is not None:
            if current.plan.hash == plan.hash:
                return current.plan
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
            if current is None:
                added.append(self.publish(plan).code)
            elif differing_stops and current.plan.hash != plan.hash:
                version = current.plan.version
                raise SettingsError(
                    f"CONSENT_PLANS: plan {plan.code} differs from version {version}: load it: `consent plans load`"
                )
        return added
