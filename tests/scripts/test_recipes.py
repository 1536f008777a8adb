"""`make` alone lists every recipe with its help."""

import re

from scripts import recipes


def test_every_phony_recipe_is_listed() -> None:
    makefile = recipes.MAKEFILE.read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(recipes.recipes(makefile)) == set(phony[1].split())
