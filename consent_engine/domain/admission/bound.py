"""A key that is bound to an agent's number acts for that agent alone."""

from consent_engine.errors import Refused


class AgentMismatch(Refused, code="agent_mismatch"):
    """The key is bound to another agent's number than the one that is named."""


def check_agent(bound: str, named: str) -> None:
    """Raise AgentMismatch where a key that is bound to an agent's number ('': to none) names another."""
    if bound and bound != named:
        raise AgentMismatch("this key is bound to another agent's number: name that, or take the key of that agent")
