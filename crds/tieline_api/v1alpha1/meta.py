"""What all objects of the API share: their form (`Shape`), metadata, conditions, and how a raw object is read.

Reading is lenient about what it does not know (a newer field is no error) and strict about types. CEL rules are the
business of the API server and `tieline lint`; here an object is only given its Python form.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from annotated_types import MaxLen, MinLen
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from tieline_api.names import Key, key
from tieline_api.v1alpha1.markers import Rule
from tieline_api.v1alpha1.scalars import Counter, ServerTime


class Shape(BaseModel):
    """One object of a manifest: camelCase on the wire, snake_case here, immutable, unknown fields dropped."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, protected_namespaces=()
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()
    """CEL over the whole object; what only concerns one field stands at that field's type."""
    ATOMIC: ClassVar[bool] = False
    """Replaced as a whole by server-side apply."""

    def to_wire(self) -> dict[str, Any]:
        """The JSON form: camelCase, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ObjectError(ValueError):
    """A raw object that cannot be read. `field` is the path as users write it, `text` says what is wrong there."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}" if field else text)
        self.field = field
        self.text = text


def _path(location: tuple[str | int, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


class ObjectMeta(Shape):
    """The part of Kubernetes metadata that Tieline reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: ServerTime | None = None
    deletion_timestamp: ServerTime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Condition(Shape):
    """One aspect of the object's state."""

    type: Annotated[str, MinLen(1), MaxLen(64)]
    """The aspect, such as Accepted or Ready."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, MinLen(1), MaxLen(128)]
    """Why, as one CamelCase word."""
    message: Annotated[str, MaxLen(32768)] = ""
    """What was seen, and what to do about it."""
    observed_generation: Counter | None = None
    """metadata.generation of the object that was judged."""
    last_transition_time: ServerTime
    """When the status last changed."""


class ApiObject(Shape):
    """An object of the API server. Its kinds add `spec` and `status`."""

    KIND: ClassVar[str]

    metadata: ObjectMeta

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def key(self) -> Key:
        return key(self.metadata.namespace, self.metadata.name)

    @property
    def created(self) -> datetime | None:
        return self.metadata.creation_timestamp

    @classmethod
    def from_object(cls, raw: Mapping[str, Any]) -> Self:
        """Reads a whole object as the API server returns it.

        Raises:
            ObjectError: the first field whose value has another type, or that is missing.
        """
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            raise ObjectError(_path(first["loc"]), first["msg"].removeprefix("Value error, ")) from None
