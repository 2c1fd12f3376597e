"""Values that are made for every run: frozen to who reads and to the type checker, at the price of what may be set."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a dataclass whose frozenness the type checker watches over; at run time that would double its price."""
    return dataclass(kw_only=True, slots=True, unsafe_hash=True)(cls)
