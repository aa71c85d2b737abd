"""Keys bound to an agent's number: such a key acts for that agent alone."""

from consent_engine.errors import Refused


class AgentMismatch(Refused, code="agent_mismatch"):
    """The key is bound to another agent's number than the request names."""


def check_agent(bound: str, named: str) -> None:
    """Raise AgentMismatch if a request names another agent's number than its key is bound to ('': to none)."""
    if bound and bound != named:
        raise AgentMismatch("this key is bound to another agent: name that agent, or use the key of the agent named")
