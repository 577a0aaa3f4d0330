"""Readable text for values of a synthesised template."""

import re
from typing import Any

_EXPORT = re.compile(r"cxr-[a-z0-9]+-([a-z]+):ExportsOutput(Ref|FnGetAtt)(\w+?)[0-9A-F]{8}(Arn)?[0-9A-F]{8}")
# What names an asset: it changes with every edit of the sources.
_CONTENT = re.compile(r"\b[0-9a-f]{64}\b")
_HASH = re.compile(r"[0-9A-F]{8}$")
_PSEUDO = {
    "AWS::AccountId": "<account>",
    "AWS::Partition": "aws",
    "AWS::Region": "<region>",
    "AWS::StackId": "<stack>",
    "AWS::URLSuffix": "amazonaws.com",
}


def text(value: Any) -> str:
    """A value with its references in angle brackets: `arn:aws:sns:us-east-1:<account>:topic`, `<Data.Arn>/incoming/*`.

    Args:
        value: a string, or one of the intrinsic functions Ref, Fn::GetAtt, Fn::Join, Fn::Sub and Fn::ImportValue.

    Raises:
        ValueError: the value is none of these.
    """
    if isinstance(value, str | int | float):
        return _CONTENT.sub("<hash>", str(value))
    match value:
        case {"Ref": str(name)}:
            return _PSEUDO.get(name) or f"<{short(name)}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{short(name)}.{attribute}>"
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(text, parts))
        case {"Fn::Sub": str(pattern)}:
            return re.sub(r"\$\{([\w:]+)\}", lambda match: text({"Ref": match[1]}), pattern)
        case {"Fn::ImportValue": export}:
            return _imported(text(export))
    raise ValueError(f"{value!r} is not a value that policies of this application hold.")


def short(logical_id: str) -> str:
    """A logical id without the hash that the CDK puts behind it."""
    return _HASH.sub("", logical_id)


def listed(value: Any) -> list[Any]:
    """A policy's value, which may stand alone or in a list, as a list."""
    return value if isinstance(value, list) else [value]


def _imported(export: str) -> str:
    match = _EXPORT.fullmatch(export)
    if match is None:
        return f"<{export}>"
    stack, _, name, attribute = match.groups()
    return f"<{stack}:{name}.Arn>" if attribute else f"<{stack}:{name}>"
