"""The catalogue: plans by code, each in its current version; a change of anything is a new version."""

from collections.abc import Sequence

from consent_engine.domain.admit import Listed, Sale
from consent_engine.domain.plan import Plan
from consent_engine.errors import PlanNotFound, Refused
from consent_engine.ports import Registry


class PlanDiffers(Refused):
    """The code is in the catalogue and says something else."""

    code = "plan_differs"


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
        self._registry.publish(plan, Sale.ON_SALE)
        return plan

    def add_missing(self, plans: Sequence[Plan]) -> list[str]:
        """Add codes that are not there (at start); raises PlanDiffers for one that is there and differs."""
        known = self.fresh()
        added = []
        for plan in plans:
            current = known.get(plan.code)
            if current is None:
                added.append(self.publish(plan).code)
            elif current.plan.hash != plan.hash:
                raise PlanDiffers(f"plan {plan.code} differs from its current version {current.plan.version}")
        return added
