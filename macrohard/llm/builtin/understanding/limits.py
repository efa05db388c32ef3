"""What people ask for that a record-keeping page cannot do: it is said, never dropped."""

import re
from functools import cache

_TABLE: tuple[tuple[str, str], ...] = (
    ((
        r"\b(?:log ?ins?|log[- ]?in|sign[- ]?in(?! (?:time|at|visitors?|guests?))|logged[- ]in|log on|password[- "
        r"]protect\w*|authenticat\w*|2fa|two[- ]factor|single sign-?on|sso|oauth|user accounts?|accounts? for "
        r"(?:each|every|the)|registration of users|register as (?:a )?user|password reset|forgot password|"
        r"passwords? for (?:each|every|users?|staff))\b"
    ), "Logging in with accounts and passwords"),
    ((
        (
            r"\b(?:roles?(?: and|,|/| &) (?:permissions|rights)|permissions\b|permission (?:levels?|system|"
            r"management)|user roles?|access (?:rights|control|"
            r"levels?)|admin(?:istrator)?s? (?:can|may|only|should|must)|only (?:the )?(?:admins?|administrators?|"
            r"managers?|bosses?|boss|owners?|teachers?|supervisors?|staff|hr|treasurer|board|librarians?|doctors?) "
            r"(?:can|may|should|must|is allowed|are allowed|sees?)|read[- ]only (?:users?|access)|different "
            r"(?:users|"
            r"rights)|multi[- ]tenant|private to (?:each|the) user|each user (?:sees|has) (?:only )?(?:his|her|"
            r"their) "
            r"own|see only their own|users? (?:can|may|should) only see (?:their|his|her) own)\b"
        )
    ), "Different rights for different users"),
    ((
        r"\b(?:send(?:s|ing)?|sent|get(?:s)?|receiv\w+|write|trigger\w*|automatic|by|via|per|through|monthly|"
        r"weekly|daily)\b[\w ,'-]{0,40}?\be-?mails?\b(?! (?:address|field|is|must|should))|\be-?mail (?:reminders?|"
        r"notifications?|alerts?|confirmations?|newsletters?|invitations?|campaigns?|the (?:customer|invoice|list|"
        r"user|member))\b|\bnewsletters? (?:to|send)|mail ?merge|\be-?mail(?:s|ed)? (?:me|us|them|him|her)\b|"
        r"remind\w* .* by e-?mail|mailing"
    ), "Sending e-mails"),
    ((
        r"\b(?:sms|text messages?|whats ?app (?:message|notification|reminder)s?|via whats ?app|push[- "
        r"](?:notification|message)s?|push notif\w*|slack|telegram|discord|teams (?:message|notification)s?|"
        r"browser notifications?|desktop notifications?)\b"
    ), "Sending messages (SMS, push, chat)"),
    ((
        r"\b(?:notif(?:y|ies|ied|ication|ications)|remind(?:s|er|ers|ed|ing)?(?! (?:field|date|note))|"
        r"alarm(?:s)?\b|alert me when i am away)\b"
    ), "Notifications and reminders that come by themselves"),
    (r"\b(?:photos?|pictures?|images?|avatars?|thumbnails?|selfies?|screenshots?|logos?)\b",
        "Uploading and showing pictures"),
    ((
        r"\b(?:attach(?:ments?|ing|ed)?|upload(?:s|ing|ed)? (?!(?:a |an |the )?(?:csv|list))[\w ]*|file uploads?|"
        r"documents? upload|scan(?:s|ned)? (?:of |copies|documents)|pdfs? (?:upload|attach\w*))\b"
    ), "Attaching files"),
    (r"\b(?:(?:as|to|a|into|generate|create|produce|print|export|download)\b[\w ]{0,20}\bpdfs?|pdfs?)\b", "PDF files"),
    ((
        r"\b(?:charts?|graphs?|diagrams?|pie chart|bar chart|plotted\b|plot (?:the|a|data|my)\b|"
        r"visuali[sz]ation|sparklines?|trend lines?|heat ?maps?|gantt)\b"
    ), "Charts"),
    ((
        r"\b(?:(?:google )?maps?\b(?! of the| number)|on (?:a|the) map|geolocation|gps tracking|route planning|"
        r"directions|geocod\w*|nearest)\b"
    ), "Maps and places on them"),
    ((
        r"\b(?:calendar (?:view|display|page|overview)|(?:in|on|as|show|with|like) (?:a |the )?(?:\w+ "
        r")?calendar\b(?! month)|week(?:ly)? view|month(?:ly)? view|day view|timeline|calendar)\b"
    ), "A calendar view"),
    (r"\b(?:kanban|drag(?:[- ]and[- ]|[ &]*)drop\w*|draggable|board view|trello|swim ?lanes?)\b",
        "Moving things by dragging them, boards"),
    (r"\b(?:mobile app|(?:ios|android|iphone|ipad) app|app store|play store|native app|on (?:ios|android))\b",
        "A mobile app from an app store"),
    ((
        r"\b(?:sync\w*|synchroni[sz]\w*|integrat(?:e|es|ed|ion|ions) (?:with|to|into)|connect(?:s|ed|ion)? (?:to|"
        r"with) (?!a |an |the |each|one)|import from (?:google|outlook|facebook|bank)|google (?:calendar|sheets|"
        r"drive|contacts|docs)|outlook|zapier|webhooks?|quickbooks|datev|sap\b|salesforce|bank connection|online "
        r"banking)\b"
    ), "Connections to other programs"),
    (r"\b(?:rest ?api|api|graphql|endpoints?|json api|web ?service)\b", "A programming interface (API)"),
    ((
        r"\b(?:command[- ]line|cli\b|terminal (?:app|program|tool)|console (?:app|program|tool)|from the "
        r"(?:terminal|shell))\b"
    ), "A command-line tool"),
    (r"\b(?:desktop (?:app|program|application)|windows (?:app|program|application)|\.exe|installer|electron)\b",
        "A desktop program"),
    ((
        r"\b(?:pay(?:ing|ments?)? (?:online|by (?:credit )?card|with (?:credit )?card|via|through)|online "
        r"payments?|paypal|stripe|credit card (?:payment|processing|checkout)s?|checkout with|process(?:es|ing)? "
        r"payments?|accept(?:s|ing)? (?:card |online )?payments?|payment (?:gateway|processing|provider|"
        r"integration)|charge (?:the|their|a|his)? ?(?:credit )?cards?|direct debit|sepa)\b"
    ), "Taking payments"),
    ((
        r"\b(?:bar ?codes?\b[\w ]{0,15}\b(?:scan\w*|read\w*|reader)|scan(?:s|ning|ner)?\b[\w ]{0,20}\b(?:bar "
        r"?codes?|qr|codes?|isbn|camera|badges?|receipts?)|qr[- ]?codes?|rfid|nfc|scanner|ocr)\b"
    ), "Scanning codes"),
    ((
        r"\b(?:in|into|also|and|support|supports|available in|switch(?:able)?|translat\w+|languages?:?|both) "
        r"(?:[\w, ]{0,20})?(?:german|french|spanish|italian|dutch|polish|turkish|arabic|chinese|russian|portuguese|"
        r"danish|swedish|japanese)\b|\b(?:multi-?lingual|multi-?language|several languages|multiple languages|two "
        r"languages|bilingual|translations? of the (?:app|interface)|language switch)\b"
    ), "Other languages than English"),
    ((
        r"\b(?:dark ?mode|dark theme|light theme|themes?|custom colou?rs|our colou?rs|branding|our logo|company "
        r"colou?rs|animations?|animated|background (?:image|music))\b"
    ), "A look of its own (themes, branding)"),
    ((
        r"\b(?:works? offline|offline(?: mode| use| capable| first)?|without internet(?: connection)?|pwa|"
        r"progressive web app)\b"
    ), "Use without a connection to the server"),
    ((
        r"\b(?:real[- ]?time (?:updates?|sync|collaboration)|live updates?|websockets?|chat(?: function| room|"
        r"s)?\b(?! about)|messaging|video calls?|comments? by (?:others|users)|forum|social (?:media|network)|"
        r"share (?:on|to|via|with others|it with|them with|the list)|like button|followers?)\b"
    ), "Working together live, chat and sharing"),
    ((
        r"\b(?:recurring (?:tasks?|appointments?|events?|bookings?|expenses?|invoices?|payments?)|recur(?:s|"
        r"ring)?\b(?=.*(?:every|automatic))|repeat(?:s|ing|ed)? (?:every|each|daily|weekly|monthly|automatically|"
        r"tasks?)|every (?:week|month|year|day) automatically|automatically (?:create|creates|generate|add|"
        r"renew)\w*|auto[- ]?renew\w*|repeating (?:tasks?|events?|appointments?))\b"
    ), "Records that repeat or appear by themselves"),
    ((
        r"\b(?:undo (?!ne)(?:button|the last|changes|function|delete)|version history|change (?:log|history)|audit "
        r"(?:log|trail)|who changed what|history of changes|track changes|log of changes|restore deleted|recycle "
        r"bin|trash|log (?:all|every) changes?)\b"
    ), "A history of changes and undo"),
    ((
        r"\b(?:automatic(?:ally)? back(?:ed)? ?ups?|back ?ups? (?:every|daily|nightly|to the cloud|automatic)|"
        r"nightly back ?ups?|daily back ?ups?|cloud (?:storage|backup)|back ?ups?)\b"
    ), "Backups by itself"),
    (r"\b(?:encrypt\w*|gdpr(?:[- ]compliant)?|hipaa|iso ?27001|soc ?2|certified|data protection|zero[- ]knowledge)\b",
        "Encryption and legal compliance"),
    ((
        r"\b(?:artificial intelligence|\bai\b|machine learning|chat ?gpt|gpt|llm|neural|predict\w*|forecast\w*|"
        r"recommend(?:s|ation|ations|ed)?\b(?! by)|suggest(?:s|ions?|ed)? (?:\w+ ){0,3}(?:based|automatically|by)|"
        r"smart suggestions?|sentiment|speech|voice (?:input|control|recognition|command)|face recognition|"
        r"read(?:s|ing)? (?:my |their |people's |the )?minds?|guess(?:es)? what|automatically (?:knows?|detects?|"
        r"categori[sz]e\w*|recogni[sz]e\w*))\b"
    ), "Predictions and artificial intelligence"),
    ((
        r"\b(?:100 ?% (?:uptime|available|secure|safe|bug[- ]free|reliable)|never (?:goes? down|crash\w*|fails?|"
        r"breaks?)|zero downtime|no bugs|bug[- ]free|unhackable|unlimited|infinite(?:ly)?|millions? of (?:users|"
        r"records|customers)|instant(?:ly|aneous)?(?: response)?|zero latency|forever|guarantee\w*)\b"
    ), "Guarantees that nobody can test"),
    ((
        r"\b(?:scrap(?:e|es|ing)|crawl\w*|fetch(?:es|ing)? (?:\w+ ){0,3}from (?:the )?(?:web|internet|amazon|imdb|"
        r"goodreads|google)|look(?:s|ed)? up (?:\w+ ){0,4}(?:online|on the internet|on the web|automatically|via "
        r"isbn)|from the internet|live (?:prices|rates|exchange|weather|data)|exchange rates?|weather (?:forecast|"
        r"data)|stock prices?|automatically fill\w* (?:in )?(?:from|by|via) (?:isbn|barcode|the internet))\b"
    ), "Data from the internet"),
    (
        r"\b(?:barcode labels?|print(?:ed|ing)? labels?|label printer|print (?:the )?badges?|name tags)\b",
        "Printing labels and badges",
    ),
    ((
        r"\b(?:cash register|pos system|point of sale|receipt printer|drawer|hardware|sensors?|raspberry|arduino|"
        r"bluetooth|iot|thermostat|door lock|turnstile|gate opener|smart home|camera)\b(?= ?(?:connect|integration|"
        r"control|open|read|that|to|and|$))"
    ), "Connections to devices"),
    ((
        r"\b(?:online (?:shop|store)|web ?shop|shopping cart|e-?commerce|public (?:website|page|form)|landing page|"
        r"book(?:ing)? online|self[- ]service|customers? (?:can|should|may) (?:book|order|register|sign up|log in|"
        r"cancel) (?:themselves|online|by themselves)|embed\w* (?:on|in|into) (?:our|the|my) (?:web ?site|"
        r"homepage))\b"
    ), "Pages for the public"),
    ((
        r"\b(?:bulk (?:edit|delete|actions?|operations?)|mass (?:edit|update|delete)|select (?:several|multiple|"
        r"many)|edit several at once|multi-?select|check several)\b"
    ), "Changing several records at once"),
    (r"\b(?:key ?board shortcuts?|hot ?keys?|shortcuts?)\b", "Keyboard shortcuts of its own"),
    ((
        r"\b(?:custom fields?|user[- ]defined fields?|add (?:my |our |your )?own (?:fields|columns)|configurable "
        r"fields?|configurable|settings page|preferences)\b"
    ), "Fields and settings that users define themselves"),
    ((
        r"\b(?:shuffle|random(?:ly)?(?: pick| choose| select\w*)?|raffle draw|draw (?:a )?winners?|quiz mode|flash "
        r"?card mode|spaced repetition|timer|stop ?watch|pomodoro|count ?down timer|streaks?|gamif\w*|badges for|"
        r"points for)\b"
    ), "Timers, random picks and games"),
    (r"\b(?:ical|ics|vcard|vcf|json|xml)\b", "Files in formats other than CSV"),
    ((
        r"\b(?:duplicate(?: button)?|copy|clone) (?:a |an |the |existing |last )?(?:record|entry|task|recipe|"
        r"invoice|order|item|button|previous|old)\w*|\bmerge\b"
    ), "Copying and merging records"),
    ((
        r"\b(?:convert(?:s|ed|ing)? (?:to|between|into)|currency conversion|unit conversion|scale (?:the "
        r")?(?:recipe|servings|ingredients|quantities)|adjust (?:the )?(?:servings|quantities))\b"
    ), "Converting and scaling values"),
    ((
        r"\b(?:checklists? (?:inside|within|in each)|sub-?tasks?|nested|hierarch\w*|tree (?:view|structure)|"
        r"folders?|family tree|parent tasks?)\b"
    ), "Records inside records (trees, subtasks)"),
    (r"\b(?:dashboard|home ?page with|widgets?|kpis?)\b", "A dashboard"),
    ((
        r"\b(?:many[- ]to[- ]many|several (?:authors|tags|categories) (?:per|for each)|multiple (?:authors|tags|"
        r"categories|choices|values)|tags\b(?= .*(?:multiple|several|filter)))\b"
    ), "Several values in one field"),
    (r"\bscreen ?reader|wcag|accessib\w+ for (?:the )?blind", "Formal accessibility certification"),
)  # fmt: skip


@cache
def _compiled() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((label, re.compile(pattern, re.IGNORECASE)) for pattern, label in _TABLE)


def beyond(text: str) -> list[tuple[str, str]]:
    """What a text asks for that cannot be built, each with the words that say so."""
    found: list[tuple[str, str]] = []
    taken: list[tuple[int, int]] = []
    for name, pattern in _compiled():
        match = pattern.search(text)
        if match and all(match.end() <= start or match.start() >= end for start, end in taken):
            found.append((name, match.group().strip()))
            taken.append(match.span())
    if any(name.startswith("Attaching") for name, _ in found):
        found = [one for one in found if one[0] != "PDF files"]
    if any(name.startswith("Sending") for name, _ in found):
        found = [one for one in found if not one[0].startswith("Notifications")]
    return found


UNKNOWN_PERIOD = re.compile(
    r"(?i)\b(?:this year|last (?:month|year|week)|next (?:year|quarter)|this quarter|tomorrow|yesterday|"
    r"(?:last|past) \w+ (?:days|weeks|months|years)|in (?:january|february|march|april|may|june|july|august|"
    r"september|october|november|december)|since \d{4}|older than \w+ \w+|for more than \w+ (?:days|weeks|"
    r"months|years)|longer than \w+ \w+|(?:not|n't) \w+ (?:for|in|since) (?:more than )?\w+ (?:days|weeks|"
    r"months))\b"
)

"""Times that no condition can ask for."""
