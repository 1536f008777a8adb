"""The generated pages are those that the code gives now."""

import pytest

from scripts import reference_docs


@pytest.mark.parametrize("name", reference_docs.PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    assert (reference_docs.DOCS / name).read_text() == reference_docs.PAGES[name](), "run `make docs-pages`"
