"""How the pages of a host are read, where they are not laid out as our own: a template says it, host by host."""

from collections.abc import Mapping

from msgspec import Struct


class Template(Struct, frozen=True):
    """within: the id of the element that shows the tariff; nothing else on a page counts · charset: of pages that do
    not say theirs · beside: the address of the JSON that says the plan, with {code} and {hash} in it, where a page
    names none · items: where plans stand in its JSON, names with dots between · fields: its names, to ours
    """

    within: str = ""
    charset: str = ""
    beside: str = ""
    items: str = ""
    fields: Mapping[str, str] = {}

    def json_of(self, code: str, hashed: str) -> str:
        """Where the JSON of a plan is; '' where the host has none of its own."""
        return self.beside.replace("{code}", code).replace("{hash}", hashed)


PLAIN = Template()
"""As our own pages are read."""
EVERYTHING = Template.__struct_fields__
"""All that a template may say."""
