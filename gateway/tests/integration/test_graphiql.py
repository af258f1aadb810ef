"""The page for people: open, without data, and complete without the internet."""

import re

from gateway_harness import Gateway


async def test_the_page_and_all_it_loads_come_from_here(gateway: Gateway) -> None:
    async with gateway.session.get(f"{gateway.url}/") as response:
        assert response.status == 200
        assert response.url.path == "/graphiql"
        page = await response.text()
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "/graphiql/assets/graphiql.min.js" in loaded
    for address in loaded:
        if address.startswith("data:"):
            continue
        assert address.startswith("/graphiql/assets/")
        async with gateway.session.get(gateway.url + address) as response:
            assert response.status == 200
            assert len(await response.read()) > 100
    assert "<script>" not in page


async def test_nothing_else_is_open(gateway: Gateway) -> None:
    for path in ("/graphiql/assets/../../settings.py", "/graphiql/assets/%2e%2e/__init__.py", "/graphiql/nothing"):
        async with gateway.session.get(gateway.url + path) as response:
            assert response.status in {401, 404}
