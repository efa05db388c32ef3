"""Sample screenshots, drawn by a real browser."""

import pytest
from playwright.async_api import Browser

from tests.report.sample import Cupboard

PRODUCT = """
<!doctype html><html lang="en"><style>
body {{ font: 16px/1.5 Liberation Sans, sans-serif; margin: 0; background: #f8fafc; color: #1f2937 }}
header {{ background: #2563eb; color: #fff; padding: 14px 24px; font-weight: 700 }}
main {{ max-width: 860px; margin: 24px auto; padding: 0 20px }}
table {{ width: 100%; border-collapse: collapse; background: #fff }}
th, td {{ padding: 10px; text-align: left; border-bottom: 1px solid #e5e7eb }}
input, button {{ font: inherit; padding: 8px 12px; border: 1px solid #cbd5e1; border-radius: 8px }}
</style><header>Office to-do list</header><main>{body}</main></html>
"""
TABLE = """
<h1>Tasks</h1><p><button>Add task</button></p><table><tr><th>Title<th>Due date<th>Priority<th>Done
<tr><td>Call the tax office<td>2026-11-24<td>High<td>No<tr><td>Water the plants<td>2026-11-23<td>Low<td>No</table>
"""
FORM = """
<h1>Add task</h1><p>Title (required)<br><input></p><p>Due date<br><input type=date></p><p><button>Save</button></p>
"""
ERROR = "<h1>Internal Server Error</h1><p>The server could not answer.</p>"
SCREENS = {
    "list": (1280, 800, TABLE),
    "form": (1280, 800, FORM),
    "error": (1280, 800, ERROR),
    "phone": (375, 667, TABLE),
}


@pytest.fixture(scope="session")
async def cupboard() -> Cupboard:
    return Cupboard()


@pytest.fixture(scope="session")
async def shots(browser: Browser, cupboard: Cupboard) -> dict[str, str]:
    """Digests of real JPEGs, by what they show."""
    digests = {}
    page = await browser.new_page()
    for name, (width, height, body) in SCREENS.items():
        await page.set_viewport_size({"width": width, "height": height})
        await page.set_content(PRODUCT.format(body=body))
        content = await page.screenshot(type="jpeg", quality=60)
        digests[name] = await cupboard.put(content, media_type="image/jpeg")
    await page.close()
    return digests
