import pytest
from pydantic import ValidationError
from tieline_router.settings import RouterSettings


def test_keys_are_required_unless_somebody_says_otherwise() -> None:
    assert RouterSettings().auth == "Required"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"operator_url": "http://operator:9443"}, "must begin with https://"),
        ({"state_key_file": "/key"}, "seals --state-file"),
        ({"port": 65536}, "less than or equal to 65535"),
        ({"max_body_bytes": 0}, "greater than or equal to 1024"),
        ({"endpoints_confirm_seconds": 0}, "greater than 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RouterSettings.model_validate(values)


def test_every_setting_explains_itself() -> None:
    assert [name for name, field in RouterSettings.model_fields.items() if not field.description] == []
