"""What the text of a downloaded document is."""

from typing import Any

from macrohard.domain import Scenario
from macrohard.product.scenarios import run_scenario
from tests.product.conftest import MakeCommit, OpenPod


def download(name: str, *texts: str, absent: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"do": "download", "role": "link", "name": name, "texts": texts, "absent": absent}


async def test_documents_are_read_as_people_read_them(make_commit: MakeCommit, open_pod: OpenPod) -> None:
    holds = [
        {"do": "open", "path": "/"},
        download("invoice.pdf", "Invoice 17", "Total 12.50 EUR", absent=("Invoice 18", "%PDF", "endobj")),
        download("sales.xlsx", "Sales", "Milk\t12.5\t25\t=B1*3", absent=("PK",)),
        download("broken.pdf", "(a PDF that cannot be read: "),
    ]
    async with open_pod(make_commit("papers")) as pod:
        for steps, status in ((holds, "passed"), ([holds[0], download("invoice.pdf", "Total 13.50 EUR")], "failed")):
            given = {"id": "S-1", "criterion": "AC-1", "title": "Papers can be saved", "steps": steps}
            result = await run_scenario(pod.browser, pod.service, Scenario.model_validate(given))
            assert result.status == status, result.detail
    assert 'the file "invoice.pdf" does not contain "Total 13.50 EUR"; it begins: Invoice 17' in result.summary
