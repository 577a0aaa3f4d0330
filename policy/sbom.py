"""Software bill of materials (SBOM) of a deployment in CycloneDX 1.6: `make sbom ENV=prod` writes it into build/.

It is made of what `make synth` left in cdk.out, so it lists what would be deployed: functions and files with the
libraries inside them, the functions' layer, containers, the page's libraries, and the CDK as what only builds.
Source: https://cyclonedx.org/docs/1.6/json/ (read 2026-11). cyclonedx-python-lib writes it and holds it against the
schema. The same commit and packages give the same bytes: the time is the commit's, the serial number the content's.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shutil
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from infra.base.deep_learning_images import TRAINING_PACKAGES
from infra.base.function import LAYER_PACKAGES
from ops.base.assembly import Assembly, Resource
from ops.base.errors import CommandError
from ops.platform.doctor import image_names
from policy import components
from policy.bundles import Bundle, BundleError, assets, bundle, inline
from policy.components import AWS, OURS, properties

REPOSITORY = Path(__file__).resolve().parent.parent
LEFT_OUT = (
    "what AWS runs: the operating systems and interpreters of Lambda's runtimes, boto3 of theirs included",
    "what AWS's layer and container images hold besides the packages named here, which are those that AWS documents",
    "versions of shared objects that a wheel brings and names in no bill of its own: they are listed as files",
    "models: each version has a bill of its own (cxr bom)",
    "what bootstraps the account, and the actions of the workflows",
)


class Sbom:
    """The bill of one environment, as it is put together.

    Args:
        folder: the cloud assembly.
        root: folder with `requirements/`, `node_modules/` and `package-lock.json`.

    Raises:
        CommandError: the folder holds no templates of the environment.
        BundleError: a bundle holds what it should not.
    """

    def __init__(self, folder: Path, env: str, *, root: Path = REPOSITORY) -> None:
        self._folder, self._root = folder, root
        self._assembly = Assembly.read(folder, env)
        self._accepted = components.locked((root / "requirements").glob("*.txt"))
        # What every machine has that writes bills; others' licences would depend on what else is installed.
        self._here = components.locked([root / "requirements" / "sbom.txt"])
        self._npm = json.loads((root / "package-lock.json").read_text(encoding="utf-8"))
        self._version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        self.bom = Bom()
        self.bom.metadata.tools.components.add(this_component())
        self.bom.metadata.properties.update(p for left_out in LEFT_OUT for p in properties(leftOut=left_out))
        deployment = self._own(f"{OURS}-{env}", f"deployment:{env}", ComponentType.APPLICATION)
        self.bom.metadata.component = deployment
        parts = [*self._code(env), *self._images(), self._toolchain()]
        self.bom.register_dependency(deployment, parts)

    def _code(self, env: str) -> Iterator[Component]:
        """The functions of every stack, and what it publishes besides."""
        for part in dict.fromkeys(resource.part for resource in self._assembly.resources):
            left, used = assets(self._folder, f"cxr-{env}-{part}"), set[str]()
            for function in (
                function for function in self._assembly.of("AWS::Lambda::Function") if function.part == part
            ):
                code = function.properties["Code"]
                asset = str(code.get("S3Key", "")).partition(".")[0]
                ours = function.properties["Handler"].startswith("lambdas.")
                carried = bundle(left[asset][0], code["S3Key"], ours=ours) if asset else inline(code["ZipFile"])
                used.add(asset)
                yield self._function(function, carried, ours=ours)
            for asset, (path, name) in sorted(unused for unused in left.items() if unused[0] not in used):
                yield self._bundle(name, f"file:{part}/{name}", bundle(path, asset), ComponentType.FILE)

    def _function(self, function: Resource, carried: Bundle, *, ours: bool) -> Component:
        """A function; one that is not ours serves a custom resource and comes with aws-cdk-lib."""
        said = function.properties
        by = {} if ours else {"maker": "aws-cdk-lib", "version": importlib.metadata.version("aws-cdk-lib")}
        return self._bundle(
            said["Handler"].removesuffix(".handle") if ours else function.name,
            f"function:{function.part}/{function.name}",
            carried,
            ComponentType.APPLICATION,
            further=[self._layer(arn) for arn in said.get("Layers", [])],
            by=by,
            stack=function.part,
            logicalId=function.name,
            runtime=_text(said["Runtime"]),
            architecture=said.get("Architectures", ["x86_64"])[0],
        )

    def _bundle(
        self,
        name: str,
        ref: str,
        carried: Bundle,
        kind: ComponentType,
        *,
        further: Iterable[Component] = (),
        by: Mapping[str, str] = MappingProxyType({}),
        **said: str,
    ) -> Component:
        """A function or published file, with what it carries."""
        said["hashOf"] = "dirHash of the files without RECORD of wheels"
        own = self._own(name, ref, kind, **by, properties=properties(asset=carried.asset, **said))
        own.hashes.add(components.sha256(carried.digest))
        scripts = {path: script for path, script in carried.own.items() if "/vendor/" in path and path.endswith(".js")}
        page = [
            components.browser_library(path, script, self._npm, self._root / "node_modules")
            for path, script in scripts.items()
        ]
        libraries = {
            distribution.name: components.vendored(distribution, self._accepted)
            for distribution in carried.distributions
        }
        self.bom.components.update([own, *page, *libraries.values()])
        for distribution in carried.distributions:
            self.bom.register_dependency(
                libraries[distribution.name], components.required(libraries, distribution.requires)
            )
        for script in page:
            self.bom.register_dependency(script, ())
        self.bom.register_dependency(own, [*libraries.values(), *page, *further])
        return own

    def _layer(self, arn: str) -> Component:
        name, version = arn.split(":")[-2:]
        layer = Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            bom_ref=f"layer:{arn}",
            purl=PackageURL("generic", "aws-lambda-layer", name, version),
            supplier=AWS,
            scope=ComponentScope.REQUIRED,
            properties=properties(arn=arn),
        )
        self._add(layer, self._documented(LAYER_PACKAGES.get(int(version), {}), layer))
        return layer

    def _images(self) -> Iterator[Component]:
        for account, region, repository, tag in sorted(image_names(self._assembly)):
            registry = f"{account}.dkr.ecr.{region}.amazonaws.com"
            image = Component(
                type=ComponentType.CONTAINER,
                name=f"{registry}/{repository}",
                version=tag,
                bom_ref=f"image:{registry}/{repository}:{tag}",
                purl=PackageURL("docker", None, repository, tag, {"repository_url": registry}),
                supplier=AWS,
                scope=ComponentScope.REQUIRED,
            )
            packages = TRAINING_PACKAGES if repository == "tensorflow-training" else {}
            self._add(image, self._documented(packages, image))
            yield image

    def _documented(self, packages: dict[str, str], holder: Component) -> list[Component]:
        """Packages that AWS documents for an image or layer, which is not opened here: without a hash."""
        found = [
            components.python_package(
                *(name, version),
                ref=f"{name}@{version} of {holder.bom_ref.value}",
                licence=components.installed_licence(name, version) if (name, version) in self._here else "",
                scope=ComponentScope.REQUIRED,
                properties=properties(statedBy="AWS's sources"),
            )
            for name, version in packages.items()
        ]
        for component in found:
            self._add(component, ())
        return found

    def _toolchain(self) -> Component:
        found = components.toolchain(self._root, self._npm)
        for component, after in found.items():
            self._add(component, after)
        whole = self._own("toolchain", "toolchain", ComponentType.APPLICATION, scope=ComponentScope.EXCLUDED)
        self._add(whole, found)
        return whole

    def _own(
        self, name: str, ref: str, kind: ComponentType, *, maker: str = OURS, version: str = "", **others: Any
    ) -> Component:
        """A component of this project's or aws-cdk-lib's, which have the same licence."""
        return Component(
            type=kind,
            name=name,
            version=version or self._version,
            bom_ref=ref,
            purl=PackageURL("generic", maker, name, version or self._version),
            licenses=[DisjunctiveLicense(id="Apache-2.0")],
            **{"scope": ComponentScope.REQUIRED, **others},
        )

    def _add(self, component: Component, after: Iterable[Component]) -> None:
        self.bom.components.add(component)
        self.bom.register_dependency(component, after)


def document(bom: Bom, revision: tuple[str, datetime] | None) -> str:
    """The bill as JSON, held against CycloneDX's schema.

    Args:
        revision: the commit that it is of, and when that was made; none outside Git.

    Raises:
        BundleError: the schema refuses it, with what it says.
    """
    bom.metadata.timestamp = revision[1] if revision else None  # type: ignore[assignment]
    if revision:
        bom.metadata.properties.update(properties(sourceRevision=revision[0]))
    bom.serial_number = uuid.UUID(int=0)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, JsonV1Dot6(bom).output_as_string())
    text = JsonV1Dot6(bom).output_as_string(indent=2) + "\n"
    if refused := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise BundleError(f"The bill is not what CycloneDX's schema wants: {refused}")
    return text


def summary(bom: Bom) -> list[str]:
    """Lines for people: what is in the bill, what it lacks and what it leaves out."""
    every = sorted(bom.components, key=lambda component: str(component.bom_ref.value))
    carried = [component for component in every if component.scope is not ComponentScope.EXCLUDED]
    inside = sum(len(component.components) for component in carried)
    refs = [str(component.bom_ref.value).partition(":")[0] for component in carried]
    libraries = [component for component in carried if component.type is ComponentType.LIBRARY and component.hashes]
    python = sum(component.purl is not None and component.purl.type == "pypi" for component in libraries)
    named = [
        part
        for component in carried
        for part in (component, *component.components)
        if part.type is not ComponentType.FILE
    ]
    built = [component for component in every if component not in carried]
    lines = [
        f"{refs.count('function')} functions, {refs.count('file')} published files, {python} vendored Python libraries "
        f"({inside} parts inside them), {len(libraries) - python} browser libraries, {refs.count('layer')} layer, "
        f"{refs.count('image')} container images; {len(built)} build-time components",
    ]
    for title, found in {
        "Licences in words, no SPDX identifier": [
            f"{_called(component)} ({_words(component)})" for component in (*carried, *built) if _words(component)
        ],
        "No licence is stated": [_called(component) for component in (*named, *built) if not component.licenses],
        "No hash is known": [_called(component) for component in carried if not component.hashes],
        "Left out": LEFT_OUT,
    }.items():
        lines += [f"{title}: {'; '.join(dict.fromkeys(found))}"] if found else []
    return lines


def _text(value: Any) -> str:
    """A value of a template: the CDK looks some runtimes up in a table by region."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _words(component: Component) -> str:
    """Licence that SPDX has no identifier for; empty where there is none such."""
    return next((said.name or "" for said in component.licenses if isinstance(said, DisjunctiveLicense)), "")


def _called(component: Component) -> str:
    return f"{component.name} {component.version or ''}".strip()


def _revision(root: Path) -> tuple[str, datetime] | None:
    """The commit with `-dirty` where files differ from it, and when it was made; none outside Git."""
    git = shutil.which("git")
    if git is None:
        return None
    asked = ([git, "log", "-1", "--format=%H %cI"], [git, "status", "--porcelain"])
    done = [subprocess.run(command, cwd=root, capture_output=True, text=True, check=False) for command in asked]  # noqa: S603
    if any(run.returncode for run in done):
        return None
    commit, _, made = done[0].stdout.strip().partition(" ")
    return f"{commit}-dirty" if done[1].stdout else commit, datetime.fromisoformat(made)


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m policy.sbom", description="SBOM of a synthesised deployment.")
    parser.add_argument("--env", required=True, help="environment of cdk.json")
    parser.add_argument("--assembly", type=Path, default=REPOSITORY / "cdk.out", help="what `make synth` wrote")
    parser.add_argument("--save", type=Path, help="file to write; build/cxr-ENV.cdx.json without it")
    chosen = parser.parse_args()
    path = chosen.save or REPOSITORY / "build" / f"cxr-{chosen.env}.cdx.json"
    try:
        bom = Sbom(chosen.assembly, chosen.env).bom
        text = document(bom, _revision(REPOSITORY))
    except (CommandError, BundleError) as error:
        print(error, file=sys.stderr)
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print("\n".join([f"wrote {path}: CycloneDX 1.6, valid, {len(bom.components)} components", *summary(bom)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
