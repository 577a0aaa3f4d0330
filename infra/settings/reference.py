"""The rows of docs/settings.md, from the models of the settings: a name in cdk.json and its meaning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_origin

from pydantic.fields import FieldInfo

from infra.settings.environment import LIKE, Settings
from infra.settings.pipelines import DEFAULTS, Pipeline
from infra.settings.section import Section

# The key of its values in cdk.json; the kind of a section of several kinds is explained where the section is.
_NO_SETTINGS = {"environment"}


def rows() -> list[tuple[str, str]]:
    """Each setting by its path in cdk.json, with its meaning in Markdown.

    The settings that are defaults of the training pipeline's parameters are left out: the parameters have tables.

    Raises:
        ValueError: a setting has no meaning: no string stands below its field.
    """
    return [("like", LIKE), *_rows(Settings, "")]


def _rows(section: type[Section], above: str) -> Iterator[tuple[str, str]]:
    # Those of its own first: what a function declares for it is inherited.
    for name, field in sorted(section.model_fields.items(), key=lambda item: item[0] not in section.__annotations__):
        path = f"{above}{name}"
        if path in _NO_SETTINGS or (section is Pipeline and name in DEFAULTS):
            continue
        below = _sections(field)
        if len(below) > 1:
            yield f"{path}.kind", _meaning(path, field)
        elif not below and name != "kind":
            yield path, _meaning(path, field)
        for group in below:
            yield from _rows(group, f"{path}.")


def _sections(field: FieldInfo) -> list[type[Section]]:
    """The groups of settings that a field is one of; a list of groups is one setting."""
    if get_origin(field.annotation) is tuple:
        return []
    among = [field.annotation, *get_args(field.annotation)]
    return [type_ for type_ in among if isinstance(type_, type) and issubclass(type_, Section)]


def _meaning(path: str, field: FieldInfo) -> str:
    if not field.description:
        raise ValueError(f"The setting {path} has no meaning: write one below its field, as a string.")
    return " ".join(field.description.split())
