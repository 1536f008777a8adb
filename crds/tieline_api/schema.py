"""The CustomResourceDefinitions, made from the API types: what users apply, and what `tieline lint` judges by.

    python -m tieline_api.schema [--out FOLDER]     writes one YAML file for each kind (`make crds`)

Without a folder they go into crds/ and into the chart that installs them: a package cannot hold a link to the first.

Names, printer columns and seeded conditions stand here; everything below `spec` and `status` comes from the types.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
from typing import Any, Final

from tieline_api.conditions import ALWAYS_WRITTEN, Reason
from tieline_api.names import CONSUMER, GROUP, MODEL_ROUTE, PLURALS, PROVIDER_POOL, VERSION
from tieline_api.structural import Schema, object_schema
from tieline_api.v1alpha1 import ApiObject, Consumer, ModelRoute, ProviderPool, Shape

KINDS: Final[dict[str, type[ApiObject]]] = {
    PROVIDER_POOL: ProviderPool,
    MODEL_ROUTE: ModelRoute,
    CONSUMER: Consumer,
}
SHORT_NAMES: Final = {PROVIDER_POOL: "tpp", MODEL_ROUTE: "tmr", CONSUMER: "tcon"}
CATEGORY: Final = "tieline"
HEADER: Final = "# Generated from crds/tieline_api/v1alpha1 by `make crds`: edit the types, not this file.\n"
SEEDED_TIME: Final = "1970-01-01T00:00:00Z"
SEEDED_MESSAGE: Final = "Waiting for the operator: see that it runs and watches this namespace."


def _condition(type_: str, part: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].{part}'


def _column(name: str, path: str, description: str, *, type_: str = "string", wide: bool = False) -> Schema:
    column: Schema = {"name": name, "type": type_, "description": description, "jsonPath": path}
    return column | ({"priority": 1} if wide else {})


_READY: Final = [
    _column("Ready", _condition("Ready", "status"), "Whether the object is accepted, resolved and in force."),
    _column("Reason", _condition("Ready", "reason"), "Why it is ready or not."),
]
_AGE: Final = _column("Age", ".metadata.creationTimestamp", "Time since creation.", type_="date")
_MESSAGE: Final = _column("Message", _condition("Ready", "message"), "What to do about it.", wide=True)

COLUMNS: Final[dict[str, list[Schema]]] = {
    PROVIDER_POOL: [
        _column("Type", ".spec.type", "SelfHosted or External."),
        *_READY,
        _column("Healthy", _condition("Healthy", "status"), "Whether the provider answers well."),
        _column("Endpoints", ".status.endpoints.ready", "Endpoints that are ready to serve.", type_="integer"),
        _column("USD/M", ".status.price.averagePerMillion", "USD per million tokens, on average."),
        _column("Slug", ".spec.provider.slug", "What requests name in provider.order.", wide=True),
        _column("Engine", ".spec.selfHosted.engine", "Which server runs.", wide=True),
        _column("URL", ".spec.external.baseURL", "Where the provider answers.", wide=True),
        _column("Replicas", ".status.replicas.current", "Replicas of the workload.", type_="integer", wide=True),
        _column("Desired", ".status.replicas.desired", "Replicas it should have.", type_="integer", wide=True),
        _MESSAGE,
        _AGE,
    ],
    MODEL_ROUTE: [
        _column("Models", ".spec.models", "Model names that clients send."),
        *_READY,
        _column("Programmed", ".status.routers[*].summary", "Routers that have it in force, of those that should."),
        _column("Healthy", _condition("BackendsHealthy", "status"), "Whether a backend answers well."),
        _column("Strategy", ".spec.strategy.type", "How a backend is chosen.", wide=True),
        _column("Class", ".spec.routerClass", "Which fleet of routers serves it.", wide=True),
        _MESSAGE,
        _AGE,
    ],
    CONSUMER: [
        *_READY,
        _column("Budget", _condition("BudgetAvailable", "status"), "Whether money is left."),
        _column("Spent", '.status.spend[?(@.period=="Month")].usd', "USD spent this month."),
        _MESSAGE,
        _AGE,
    ],
}


@cache
def document(kind: str) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind. Callers must not change it."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURALS[kind]}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": PLURALS[kind],
                "singular": kind.lower(),
                "shortNames": [SHORT_NAMES[kind]],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": COLUMNS[kind],
                    "schema": {"openAPIV3Schema": root_schema(kind)},
                }
            ],
        },
    }


@cache
def root_schema(kind: str) -> Schema:
    """The structural schema of whole objects of a kind. Callers must not change it."""
    spec, status = _part(kind, "spec"), _part(kind, "status")
    status_schema = object_schema(status, defaults=False)
    status_schema["properties"]["conditions"]["default"] = _seeded_conditions(kind)
    return {
        "description": " ".join((KINDS[kind].__doc__ or "").split()),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"Version of the API: {GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"Kind of the object: {kind}."},
            "metadata": {"type": "object"},
            "spec": {"description": " ".join((spec.__doc__ or "").split()), **object_schema(spec)},
            "status": {"description": " ".join((status.__doc__ or "").split()), **status_schema, "default": {}},
        },
    }


def _part(kind: str, field: str) -> type[Shape]:
    part = KINDS[kind].model_fields[field].annotation
    if not (isinstance(part, type) and issubclass(part, Shape)):
        raise TypeError(f"{kind}.{field} must be one object type, not {part}")
    return part


def _seeded_conditions(kind: str) -> list[Schema]:
    return [
        {
            "type": str(type_),
            "status": "Unknown",
            "reason": str(Reason.PENDING),
            "message": SEEDED_MESSAGE,
            "lastTransitionTime": SEEDED_TIME,
        }
        for type_ in ALWAYS_WRITTEN[kind]
    ]


def file_name(kind: str) -> str:
    """Name of the kind's file in `crds/`."""
    return f"{GROUP}_{PLURALS[kind]}.yaml"


def render(kind: str) -> str:
    """The file of a kind: YAML with a header that says where it comes from."""
    import yaml  # Only whoever writes the files needs it: the planes do not.

    text: str = yaml.safe_dump(document(kind), sort_keys=False, width=120, allow_unicode=True)
    return HEADER + text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tieline_api.schema", description="Write the CRDs as YAML files.")
    parser.add_argument("--out", type=Path, help="folder (default: crds/ and charts/tieline-crds/files/)")
    crds = Path(__file__).resolve().parents[1]
    chosen: Path | None = parser.parse_args().out
    for folder in [chosen] if chosen else [crds, crds.parent / "charts" / "tieline-crds" / "files"]:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            (folder / file_name(kind)).write_text(render(kind), encoding="utf-8")


if __name__ == "__main__":
    main()
