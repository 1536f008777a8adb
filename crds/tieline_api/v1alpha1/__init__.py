"""The API `tieline.dev/v1alpha1` as Python types: one module per kind, and what they share. No I/O, no behaviour.

Imported by the operator, the command line and the schema generator; a router never sees these types, only the snapshot.
"""

from tieline_api.v1alpha1.consumer import Consumer, ConsumerSpec, ConsumerStatus
from tieline_api.v1alpha1.meta import ApiObject, Condition, ObjectError, ObjectMeta, Shape
from tieline_api.v1alpha1.modelroute import BackendRef, ModelRoute, ModelRouteSpec
from tieline_api.v1alpha1.offers import Model
from tieline_api.v1alpha1.poolstatus import ProviderPoolStatus
from tieline_api.v1alpha1.providerpool import ProviderPool, ProviderPoolSpec
from tieline_api.v1alpha1.references import SecretKeyRef
from tieline_api.v1alpha1.routestatus import ModelRouteStatus
from tieline_api.v1alpha1.scalars import ClockTime, Duration, parse_duration
from tieline_api.v1alpha1.selectors import Constraints, LabelSelector, TimeWindow

__all__ = [
    "ApiObject",
    "BackendRef",
    "ClockTime",
    "Condition",
    "Constraints",
    "Consumer",
    "ConsumerSpec",
    "ConsumerStatus",
    "Duration",
    "LabelSelector",
    "Model",
    "ModelRoute",
    "ModelRouteSpec",
    "ModelRouteStatus",
    "ObjectError",
    "ObjectMeta",
    "ProviderPool",
    "ProviderPoolSpec",
    "ProviderPoolStatus",
    "SecretKeyRef",
    "Shape",
    "TimeWindow",
    "parse_duration",
]
