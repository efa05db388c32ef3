"""Files in and out: CSV export and import."""

import re

from macrohard.llm.builtin.understanding.clauses import Clause
from macrohard.llm.builtin.understanding.draft import Draft


def exporting(clause: Clause, draft: Draft) -> bool:
    """ "export to Excel", "download as CSV"."""
    match = re.search(
        (
            r"(?i)\b(?:export\w*|download\w*|save (?:it |them )?as|back ?up|csv|as (?:an )?excel|(?:open|use|get) "
            r"(?:it|them) in excel|to (?:excel|cvs|spreadsheet)|(?:for|into) (?:excel|a spreadsheet)|spreadsheet)\b"
        ),
        clause.text,
    )
    if not match or re.search(r"(?i)\bimport(?!an)|\bfrom (?:a )?(?:csv|excel|file|spreadsheet)|upload", clause.text):
        return False
    if re.search(r"(?i)\b(?:pdf|word|json|xml|ical|ics|vcard|html)\b", clause.text) and not re.search(
        r"(?i)csv|excel|spreadsheet", clause.text
    ):
        return False
    if re.search(
        r"(?i)^(?:we|i|they|currently|now).{0,40}\b(?:use|have|used|keep|is|in) .{0,20}(?:excel|spreadsheet)",
        clause.text,
    ) and not re.search(r"(?i)export|download", clause.text):
        return False
    chosen = [
        one
        for one in draft.records
        if re.search(rf"(?i)\b(?:{re.escape(one.label)}|{re.escape(one.plural)})\b", clause.text)
    ] or (
        [clause.record]
        if clause.named
        else draft.records
        if re.search(r"(?i)\b(?:everything|all|each|every)\b", clause.text)
        else [clause.record]
    )
    for one in chosen:
        one.exported = clause.said
    if re.search(r"(?i)excel|xlsx|spreadsheet", clause.text):
        draft.assume("“Excel” is served by a CSV file, which Excel opens.")
    return True


def importing(clause: Clause, draft: Draft) -> bool:
    """ "import pupils from CSV"."""
    if re.search(
        (
            r"(?i)\b(?:bad|wrong|invalid|faulty|broken|incorrect|failed) (?:lines?|rows?|records?|entries)\b|"
            r"\berrors? (?:per|by|with the) line"
        ),
        clause.text,
    ) and any(one.imported for one in draft.records):
        return True
    if not re.search(
        (
            r"(?i)\bimport(?:s|ed|ing|able)?\b|\bupload (?:a |an |my |our |the )?(?:csv|excel|list|spreadsheet|"
            r"file of)|\b(?:load|"
            r"read|take over|copy) .{0,30}\bfrom (?:a |an |my |our |the )?(?:old )?(?:csv|excel|spreadsheet)"
        ),
        clause.text,
    ):
        return False
    if re.search(r"(?i)\bimport (?:duty|tax|licen[cs]e|price|date)", clause.text) or re.search(
        r"(?i)\b(?:from|via) (?:google|outlook|facebook|api|bank|e-?mail|pdf|amazon|isbn|barcode)", clause.text
    ):
        return False
    for one in [
        r for r in draft.records if re.search(rf"(?i)\b(?:{re.escape(r.label)}|{re.escape(r.plural)})\b", clause.text)
    ][:1] or [clause.record]:
        one.imported = clause.said
    if re.search(r"(?i)excel|xlsx", clause.text):
        draft.assume("“Excel” is served by a CSV file, as which Excel saves.")
    return True
