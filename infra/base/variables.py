"""Environment variables of a function that are settings: those that the function's class of variables names."""

from pydantic import BaseModel


def variables_of(reads: type, section: BaseModel) -> dict[str, str]:
    """The environment variables of a function that are settings of a section, by name.

    Args:
        reads: class of the function's environment variables; a field that is called as a setting gets its value.
    """
    fields = {name for base in reads.__mro__ for name in getattr(base, "__annotations__", ())}
    values = {name: getattr(section, name) for name in type(section).model_fields if name in fields}
    return {name.upper(): " ".join(value) if isinstance(value, tuple) else str(value) for name, value in values.items()}
