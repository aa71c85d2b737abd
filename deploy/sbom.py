"""The bill of materials of our package, as CycloneDX 1.6: `python deploy/sbom.py VERSION [--debian]`.

What it needs, extras included, in the versions that this Python has; and Debian's packages of an image, which
generators for Python leave out. Equal environments have equal bills: without a time or a random serial number.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from urllib.parse import quote

NAME, EXTRAS = "sms-consent-engine", "postgresql,oidc,phone,tsa,traces"
REQUIREMENT = re.compile(r"([\w.-]+)(?:\[([\w.,-]+)\])?(?:.*extra == ['\"]([\w.-]+)['\"])?")
"""A requirement of a package: the name, the extras it wants of that, and the package's own extra that it belongs to."""
Component = dict[str, object]


def plain(name: str) -> str:
    """Return a package's name as the index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed() -> dict[str, Distribution]:
    """Return the packages that ours needs, of those that are installed: markers for other machines fit none of them."""
    installed = {plain(each.name): each for each in distributions()}
    found, todo = {}, [(NAME, EXTRAS)]
    seen = set(todo)
    while todo:
        name, extras = todo.pop()
        if each := installed.get(name):
            found[name] = each
            for wanted, its_extras, of in (REQUIREMENT.match(said).groups("") for said in each.requires or ()):
                step = plain(wanted), its_extras
                if (not of or of in extras.split(",")) and step not in seen:
                    seen.add(step)
                    todo.append(step)
    return found


def of_python() -> Iterator[Component]:
    """Yield the Python packages; ours is what the bill is about."""
    for name, each in needed().items():
        if name != NAME:
            said = each.metadata.get("License-Expression")
            licences = {"licenses": [{"expression": said}]} if said else {}
            yield {"purl": f"pkg:pypi/{name}@{each.version}", "name": name, "version": each.version, **licences}


def of_debian() -> Iterator[Component]:
    """Yield the packages of Debian."""
    form = "${Package} ${Version} ${Architecture}\\n"
    told = subprocess.run(["dpkg-query", "--show", "-f", form], capture_output=True, text=True, check=True)  # noqa: S607
    for line in told.stdout.splitlines():
        name, version, arch = line.split()
        yield {"purl": f"pkg:deb/debian/{name}@{quote(version)}?arch={arch}", "name": name, "version": version}


def bill(version: str, components: list[Component]) -> Component:
    """Return the bill of one version of ours."""
    listed = sorted(components, key=lambda each: str(each["purl"]))
    ours = {"bom-ref": NAME, "name": NAME, "version": version, "purl": f"pkg:pypi/{NAME}@{quote(version)}"}
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"component": {"type": "application", **ours}},
        "components": [{"type": "library", "bom-ref": each["purl"], **each} for each in listed],
        "dependencies": [{"ref": NAME, "dependsOn": [each["purl"] for each in listed]}],
    }  # fmt: skip


if __name__ == "__main__":
    json.dump(bill(sys.argv[1], [*of_python(), *(of_debian() if "--debian" in sys.argv else ())]), sys.stdout, indent=1)
