"""From a section with a `_target_` to the object: the only place where configuration becomes code."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from src.errors import UserError


def build(section: Mapping[str, Any], **supplied: Any) -> Any:
    """Call the section's target with its other keys and what the program supplies; nested sections are built first.

    Raises UserError as the target raises it, and for what a constructor says of the values that it was given.
    """
    bound = partial(section)
    with told_with_target(str(section["_target_"])):
        return bound(**supplied)


@contextlib.contextmanager
def told_with_target(target: str) -> Iterator[None]:
    """Report what a constructor says of its values as the user's mistake, with the target's name.

    That is a ValueError; of a library's constructor any error, since nothing but the configuration is wrong there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"{target} needs a package that is not installed: {error}; pip install it") from error
    except ValueError as error:
        raise UserError(f"{target} does not take its configuration: {error}") from error
    except (TypeError, RuntimeError, LookupError, AttributeError, ArithmeticError, AssertionError) as error:
        if target.startswith("src."):
            raise
        what = str(error) or type(error).__name__
        raise UserError(f"{target} does not take its configuration: {what}") from error


def build_alone(section: Mapping[str, Any], **supplied: Any) -> Any:
    """Build a network for a command that has no data, and where a size is `image_size=`: a message must say so.

    Raises UserError as the target raises it.
    """
    try:
        return build(section, **supplied)
    except UserError as error:
        raise UserError(str(error).replace("data.image_size", "image_size")) from error


def partial(section: Mapping[str, Any]) -> functools.partial[Any]:
    """Return the section's target with its keys bound, to be called with what the program supplies.

    Called so, objects such as networks never pass through a configuration, which would copy them.
    """
    import hydra
    from hydra.errors import InstantiationException

    try:
        bound = hydra.utils.instantiate(dict(section), _partial_=True, _convert_="all", _recursive_=True)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError):
            raise cause from error
        raise UserError(f"{section['_target_']}: {cause or error}") from error
    assert isinstance(bound, functools.partial)
    return bound
