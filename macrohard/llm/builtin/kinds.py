"""Which kind of product a text asks for: pages, unless it says otherwise."""

from macrohard.llm.builtin.blueprint import Reading
from macrohard.llm.builtin.tool import as_tool
from macrohard.llm.builtin.webapi import of_its_kind as as_service


def of_its_kind(reading: Reading, requirement: str) -> Reading:
    """The reading as that of a command-line tool or of a service, where the text asks for one and for no pages."""
    tool = as_tool(reading, requirement)
    return tool if tool is not reading else as_service(reading, requirement)
