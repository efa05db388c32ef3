import greeting


def test_the_library_is_there():
    assert greeting.__name__ == "greeting"
