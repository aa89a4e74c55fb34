"""Options with a list of known values, which shells complete."""

from __future__ import annotations

from collections.abc import Iterable

from tyro.constructors import PrimitiveConstructorSpec


class NamesOrFiles(tuple[str, ...]):
    """The names are completed; any other text, such as the path of a file, is accepted as well."""

    def __contains__(self, text: object) -> bool:
        return True


def one_of(names: Iterable[str], metavar: str, *, or_file: bool = False) -> PrimitiveConstructorSpec[str]:
    """An option that takes one of `names`; it annotates `str`, as in `Annotated[str, one_of(FORMATS, "FORMAT")]`."""
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [value],
        choices=NamesOrFiles(names) if or_file else tuple(names),
    )
