# mypy: ignore-errors
# A product as an agent could write it, not a part of ours.
import app


def test_a_title_is_required():
    assert app.problem(" ") == "Title is required."


def test_a_title_is_enough():
    assert app.problem("Milk") == ""
