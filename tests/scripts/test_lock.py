"""Lock files hold names, versions and hashes, and no address."""

import pytest

from scripts import lock

TEXT = """# a header
aiohttp==3.14.5 \\
    --hash=sha256:0133c3
    # via tieline (pyproject.toml)
cffi==2.1.1 ; platform_python_implementation != 'PyPy' \\
    --hash=sha256:aa
"""


def test_pins() -> None:
    assert lock.pins(TEXT) == {"aiohttp": "3.14.5", "cffi": "2.1.1"}


def test_a_clean_lock_file_names_no_address() -> None:
    assert lock.ADDRESS.search(TEXT) is None


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://example.org/simple",
        "--find-links /srv/wheels",
        "a @ file:///srv/a.whl",
        "--extra-index-url x",
    ],
)
def test_addresses_are_found(line: str) -> None:
    assert lock.ADDRESS.search(TEXT + line)
