"""Templates: how to read the pages of a host that are not laid out like our own, one template a host."""

from collections.abc import Mapping

from msgspec import Struct


class Template(Struct, frozen=True):
    """The rules for reading the pages of one host.

    within: the id of the element that shows the tariff; nothing else on a page counts · charset: of pages that do not
    say theirs · beside: the address of the plan's JSON, with {code} and {hash} in it, where a page names none ·
    items: the path of the plans in that JSON, names with dots between · fields: its names, mapped to those of a plan
    """

    within: str = ""
    charset: str = ""
    beside: str = ""
    items: str = ""
    fields: Mapping[str, str] = {}

    def json_of(self, code: str, hashed: str) -> str:
        """The address of a plan's JSON; '' where the template names none."""
        return self.beside.replace("{code}", code).replace("{hash}", hashed)


PLAIN = Template()
"""The template of our own pages."""
EVERYTHING = Template.__struct_fields__
"""The names of all fields of a template."""
