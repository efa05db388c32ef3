from macrohard.store import Store


async def test_the_latest_finding_about_a_model_is_kept(store: Store) -> None:
    assert await store.capabilities.load() == {}
    await store.capabilities.save(endpoint_url="http://a/v1", model="m", body={"tools": True, "efforts": ["low"]})
    await store.capabilities.save(endpoint_url="http://a/v1", model="n", body={"tools": False})
    await store.capabilities.save(endpoint_url="http://b/v1", model="m", body={"tools": True})
    await store.capabilities.save(endpoint_url="http://a/v1", model="m", body={"tools": True, "efforts": []})
    assert await store.capabilities.load() == {
        ("http://a/v1", "m"): {"tools": True, "efforts": []},
        ("http://a/v1", "n"): {"tools": False},
        ("http://b/v1", "m"): {"tools": True},
    }
