"""Components of a bill of materials (CycloneDX): libraries in bundles and of the page, and the CDK's toolchain."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from policy.bundles import BundleError, Distribution, licence_of

if TYPE_CHECKING:
    from email.message import Message

    from cyclonedx.model.license import License

AWS = OrganizationalEntity(name="Amazon Web Services")
OURS = "chest-xray-stack"
# Lambda's machines and SageMaker's, for the conditions of requirements.
_THERE = {
    "python_version": "3.12",
    "python_full_version": "3.12.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
}
_LOCKED = re.compile(r"^([a-z0-9-]+==[^\\\n]+?) *\\\n((?: +--hash=sha256:[0-9a-f]{64}[ \\]*\n)+)", re.MULTILINE)


def locked(locks: Iterable[Path]) -> dict[tuple[str, str], tuple[str, ...]]:
    """SHA-256 of the files that lock files accept, by name and version of what this machine would install of them."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for lock in sorted(locks):
        for line, hashes in _LOCKED.findall(lock.read_text(encoding="utf-8")):
            requirement = Requirement(line)
            key = requirement.name, str(requirement.specifier).removeprefix("==")
            if requirement.marker is None or any(
                requirement.marker.evaluate(environment) for environment in ({}, _THERE)
            ):
                found[key] = tuple(sorted({*found.get(key, ()), *re.findall(r"[0-9a-f]{64}", hashes)}))
    return found


def python_package(name: str, version: str, *, ref: str = "", licence: str = "", **others: Any) -> Component:
    """A distribution of PyPI's; `others` are further arguments of a component."""
    url = PackageURL("pypi", None, name, version)
    return Component(
        name=name,
        version=version,
        bom_ref=ref or str(url),
        purl=url,
        licenses=licences(licence),
        type=ComponentType.LIBRARY,
        **others,
    )


def licences(text: str) -> list[License]:
    """A licence as an SPDX identifier or expression where it is one, else by its name; none for no text."""
    return [LicenseFactory().make_from_string(text)] if text else []


def vendored(found: Distribution, accepted: Mapping[tuple[str, str], tuple[str, ...]]) -> Component:
    """A distribution that a bundle carries, with what is inside it.

    Args:
        accepted: SHA-256 of files that lock files accept.

    Raises:
        BundleError: no lock file has the distribution.
    """
    hashes = accepted.get((found.name, found.version))
    if hashes is None:
        raise BundleError(f"{found.name} {found.version} is carried, but no lock file names it.")
    ref = f"{PackageURL('pypi', None, found.name, found.version)}#{found.digest}"
    inside = {component.bom_ref.value: component for component in (*_stated(found, ref), *_shared_objects(found, ref))}
    return python_package(
        found.name,
        found.version,
        ref=ref,
        licence=found.licence,
        scope=ComponentScope.REQUIRED,
        hashes=[sha256(found.digest)],
        external_references=[_accepted(found.name, found.version, hashes)],
        components=inside.values(),
        properties=properties(
            hashOf="dirHash of the carried files without RECORD",
            wheel=found.platform,
            files=f"{len(found.files)} of {len(found.files) + found.left_out}",
        ),
    )


def _stated(found: Distribution, ref: str) -> Iterable[Component]:
    """Components that the wheel's own bills name, but for the wheel itself and its extension modules."""
    for part in found.parts:
        url = part.get("purl", "")
        if url.startswith(f"pkg:pypi/{found.name}@"):
            continue
        said = [
            licence.get("expression") or licence["license"].get("id") or licence["license"]["name"]
            for licence in _stated_by(part)
        ]
        yield Component(
            type=ComponentType.LIBRARY,
            name=part["name"],
            version=part.get("version"),
            bom_ref=f"{ref}/{part['name']}@{part.get('version', '')}",
            purl=PackageURL.from_string(url) if url else None,
            licenses=licences(" AND ".join(said)),
            properties=properties(statedBy=f"a bill of materials inside {found.name}'s wheel"),
        )


def _stated_by(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", part.get("licenses", []))


def _shared_objects(found: Distribution, ref: str) -> Iterable[Component]:
    """Shared objects that the wheel brings of other projects: their names alone tell what and which they are."""
    for path, digest in found.files.items():
        folder, _, name = path.partition("/")
        if folder.endswith(".libs") and ".so" in name:
            yield Component(type=ComponentType.FILE, name=path, bom_ref=f"{ref}/{path}", hashes=[sha256(digest)])


def required(names: Mapping[str, Component], requirements: Iterable[str]) -> list[Component]:
    """Components that a distribution requires, by name, under AWS's environment markers."""
    wanted = [Requirement(requirement) for requirement in requirements]
    asked = [
        requirement
        for requirement in wanted
        if requirement.marker is None or requirement.marker.evaluate({**_THERE, "extra": ""})
    ]
    return [names[name] for name in (canonicalize_name(requirement.name) for requirement in asked) if name in names]


def browser_library(path: str, digest: str, lock: Mapping[str, Any], modules: Path) -> Component:
    """The npm package that a vendored script is the unchanged file of.

    Args:
        path: the script's in its bundle.
        digest: its SHA-256.
        lock: content of package-lock.json.
        modules: folder `node_modules`.

    Raises:
        BundleError: no locked package has such a file.
    """
    for key, entry in lock["packages"].items():
        package = modules.parent / key
        if key and any(
            hashlib.sha256(script.read_bytes()).hexdigest() == digest
            for script in package.rglob("*.js")
            if script.parts[len(package.parts)] != "node_modules"
        ):
            return _npm_package(key, entry, hashes=[sha256(digest)], properties=properties(hashOf=path))
    raise BundleError(f"{path} is no file of a package that package-lock.json names.")


def _npm_package(key: str, entry: Mapping[str, Any], **others: Any) -> Component:
    group, _, name = key.rpartition("node_modules/")[2].rpartition("/")
    url = PackageURL("npm", group or None, name, entry["version"])
    algorithm, _, value = entry["integrity"].partition("-")
    sent = HashType(alg=HashAlgorithm[algorithm.upper().replace("SHA", "SHA_")], content=base64.b64decode(value).hex())
    return Component(
        type=ComponentType.LIBRARY,
        group=group or None,
        name=name,
        version=entry["version"],
        bom_ref=str(url),
        purl=url,
        licenses=licences(entry.get("license", "")),
        external_references=[_distribution(str(url), [sent], "the package as package-lock.json has it")],
        **others,
    )


def toolchain(root: Path, lock: Mapping[str, Any]) -> dict[Component, list[Component]]:
    """Packages that synthesise and deploy on this machine and travel nowhere, each with those it depends on.

    Args:
        root: folder with `requirements/`.
        lock: content of package-lock.json.
    """
    names = {}
    for (name, version), hashes in locked([root / "requirements" / "deploy.txt"]).items():
        if (said := _installed(name, version)) is not None:
            names[name] = python_package(
                *(name, version),
                ref=f"build:{name}@{version}",
                licence=licence_of(said),
                scope=ComponentScope.EXCLUDED,
                external_references=[_accepted(name, version, hashes)],
            )
    found = {component: required(names, importlib.metadata.requires(name) or ()) for name, component in names.items()}
    command = "node_modules/aws-cdk"
    return {**found, _npm_package(command, lock["packages"][command], scope=ComponentScope.EXCLUDED): []}


def installed_licence(name: str, version: str) -> str:
    """Licence of a distribution that this machine has in the same version; empty without it."""
    said = _installed(name, version)
    return "" if said is None else licence_of(said)


def _installed(name: str, version: str) -> Message | None:
    """Metadata of a distribution in this environment, if it is there in that version."""
    try:
        said = cast("Message", importlib.metadata.metadata(name))
    except importlib.metadata.PackageNotFoundError:
        return None
    return said if said["Version"] == version else None


def _accepted(name: str, version: str, hashes: Iterable[str]) -> ExternalReference:
    url = str(PackageURL("pypi", None, name, version))
    return _distribution(url, map(sha256, hashes), "one of the files that the lock file accepts")


def _distribution(url: str, hashes: Iterable[HashType], comment: str) -> ExternalReference:
    return ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(url), hashes=hashes, comment=comment)


def sha256(digest: str) -> HashType:
    """A SHA-256 as CycloneDX has it."""
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def properties(**named: str) -> list[Property]:
    """Properties of this project's own, by their names."""
    return [Property(name=f"{OURS}:{name}", value=value) for name, value in named.items()]
