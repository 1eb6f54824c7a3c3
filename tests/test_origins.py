"""Places and what they hold."""

from __future__ import annotations

from pathlib import Path

from rag.origins import Origins


def test_a_place_holds_one_content_and_a_content_may_lie_in_many(tmp_path: Path) -> None:
    origins = Origins(tmp_path / "new" / "origins.sqlite")
    for origin, content in (("b", "1"), ("a", "1"), ("c", "2"), ("b", "2")):
        origins.put((origin, f"{origin}.txt", content))
    assert origins.places("1") == [("a", "a.txt")]
    assert origins.places("2") == [("b", "b.txt"), ("c", "c.txt")]
    origins.remove("b")
    origins.note_deleted("document", "1")
    assert (origins.places("1"), origins.places("2")) == ([], [("c", "c.txt")])
    origins.close()


def test_places_are_remembered_even_those_that_are_no_unicode(tmp_path: Path) -> None:
    origins = Origins(tmp_path / "origins.sqlite")
    origins.put(("/\udcb0\udca1.txt", "가.txt", "1"))
    origins.close()
    again = Origins(tmp_path / "origins.sqlite")
    assert again.places("1") == [("/\udcb0\udca1.txt", "가.txt")]
    again.close()
