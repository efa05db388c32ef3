"""What is not built at all, and what in a text is aimed at the factory instead of describing a product."""

import re
from typing import Literal, NamedTuple

from macrohard.domain import Exclusion
from macrohard.llm.builtin.understanding.text import fold, sentences
from macrohard.llm.builtin.understanding.words import vocabulary

SETTINGS = "`MACROHARD_BASE_URL`, `MACROHARD_API_KEY` and `MACROHARD_MODEL` (or `XAI_API_KEY`)"
_BUILDS = "record-keeping web apps: lists of things with fields, rules, search, filters, totals and export"


class Finding(NamedTuple):
    """Why a text is not built, or asked back."""

    decision: Literal["refuse", "ask"]
    reason: str


_HARMFUL: tuple[tuple[str, str], ...] = (
    ((
        r"\b(?:copy|clone|replica|imitat\w*|fake|identical|look(?:s|ing)? (?:exactly |just )?like|exact(?:ly)?|"
        r"pixel[- ]perfect|same as)\b.{0,80}\b(?:log ?in|sign[- ]?in|banking|bank|paypal|account|microsoft|google|"
        r"apple|amazon|netflix|facebook|instagram|steam)\b.{0,60}(?:page|site|form|screen|portal|website)|"
        r"\bphishing\b(?! (?:report|incident|awareness|training|mail|e-mail|test|attempt|case|log|simulation)s?)|"
        r"\b(?:bank|paypal|amazon|google|microsoft|apple|facebook|instagram|netflix)\w*(?:'s)? (?:online banking "
        r")?(?:log ?in|sign[- ]?in)\b.{0,100}\b(?:collect|sav|stor|captur|send|forward|record|harvest|steal|"
        r"get)\w*\b.{0,40}(?:password|credential|pin|log ?in|what (?:they|people) (?:type|enter))"
    ), (
        "a page that imitates another company's login to collect people's credentials"
    )),
    ((
        (
            r"\bencrypt\w*\b.{0,60}\b(?:someone|somebody|victim|other people|their|his|her|another)\w*\b|\b(?:list "
            r"of|our|the|new) victims\b|\bransom\b(?! notes? collection)|"
            r"\bkey ?-?logg?(?:er|ing)\b|\brecord (?:all |every )?(?:key ?strokes?|key presses)\b|\b(?:ransom|mal|"
            r"spy|"
            r"stalker)ware\b(?! (?:incident|log|report|register|case|samples? (?:log|inventory))s?)|\bcomputer "
            r"virus\b|"
            r"\bbotnet\b|\btrojan\b(?! horse collection)|\brootkit\b|\bddos\b|\bback ?door (?:into|to|for|on)\b|"
            r"\bexploit (?:a |the )?(?:server|vulnerabilit|website|system)|\bhack (?:into|my|his|her|a|the|their|"
            r"someone)\b|\bcrack (?:passwords?|wi-?fi|accounts?|software)\b|\bbrute[- ]?force\b|\bbypass (?:the "
            r")?(?:login|security|authentication|paywall|drm|licen[cs]e)"
        )
    ), "software that attacks or spies on computers"),
    ((
        r"\b(?:spy|snoop|eavesdrop)(?:s|ing)? (?:on|after)\b|\b(?:track|follow|monitor|watch|locate|log|record|"
        r"read)\w*\b.{0,50}\b(?:my |his |her |their )?(?:wife|husband|girlfriend|boyfriend|partner|spouse|ex|"
        r"ex-wife|ex-husband|ex-girlfriend|ex-boyfriend|crush|neighbou?r|employee|colleague)(?:'s|"
        r"s')?\b.{0,60}\b(?:without|secret\w*|hidden|not (?:know|notice)|doesn'?t (?:know|notice)|location|"
        r"messages?|whatsapp|phone|chats?|calls?|where (?:she|he|they))\b|\bsecretly (?:record|track|film|monitor|"
        r"read|log|watch|follow)|\bstalk(?:ing|er)?\b|\bwithout (?:him|her|them|their|his|people|the \w+) "
        r"(?:knowing|knowledge|noticing|consent|permission)"
    ), "secretly watching a person"),
    ((
        r"\bsteal(?:s|ing)?\b.{0,40}\b(?:password|credential|card|identit|data|account|money|cookie|token|credit)|"
        r"\b(?:credential|password|account|credit card|card number)s? (?:steal|harvest|grab|stuff|phish)\w*|"
        r"\bstolen (?:credit cards?|card|credentials|passwords|accounts|data|identit)\w*\b(?! (?:report|register|"
        r"log))|\bharvest(?:ing)?\b.{0,30}\b(?:e-?mails?|passwords?|credentials|personal data|phone numbers)\b|"
        r"\bskimm(?:er|ing)\b|\bcarding\b|\bcounterfeit\w*\b(?! (?:detect|report))|\bfake (?:invoices?|ids?|"
        r"passports?|reviews?|documents?|certificates?|diplomas?|receipts?|prescriptions?|vaccination)\b|\bmoney "
        r"launder\w*|\blaunder(?:ing)? money|\bponzi\b|\btax evasion|\bevade tax\w*|\bscam\b(?! (?:report|log|"
        r"warning|register)s?)"
    ), "stealing or deceiving"),
    ((
        r"\b(?:build|make|making|built|construct|assembl\w*|instructions? (?:for|to)|how to|recipes? (?:for|of)|"
        r"plans? for|synthesi[sz]e)\b.{0,40}\b(?:bombs?|explosives?|nerve (?:gas|agent)|pipe ?bombs?|chemical "
        r"weapons?|biological weapons?|meth(?:amphetamine)?|napalm|ghost guns?|silencers?|poison(?:s|ing)? "
        r"(?:people|someone|my|a))\b|\b(?:bomb|explosive)[- ]?making|\bweapons? of mass|\bhit ?list\b|\b(?:kill|"
        r"murder|poison|hurt|attack|assassinat\w*) (?:my|a|the|people|someone|him|her|them|humans)\b(?! (?:feature|"
        r"process|bill|time))|\bdrug deal\w*|\bsell(?:ing)? (?:cocaine|heroin|meth|drugs|ecstasy)|\bhuman "
        r"traffick\w*|\bterror(?:ist|ism)? (?:attack|cell|plan)\w*"
    ), "weapons, drugs or hurting people"),
    ((
        r"\bdoxx?(?:ing)?\b|\b(?:home )?addresses? of (?:journalists|politicians|celebrities|activists|judges|"
        r"police\w*|my enemies|my ex|women|girls)\b|\bscrap(?:e|es|ing)\b.{0,60}\b(?:personal|private|profiles?|"
        r"e-?mails?|phone numbers?|instagram|facebook|linkedin|photos|people|users|faces)\b|"
        r"\bcollect\b.{0,30}\b(?:private|personal) (?:data|information|details)\b.{0,40}\b(?:without|secret\w*|"
        r"covert\w*|from (?:facebook|instagram|linkedin|social|the web|the internet))|\bblacklist of (?:jews|"
        r"muslims|gays|foreigners|immigrants|black)|\b(?:list|register|database|track\w*) of (?:jews|muslims|gay "
        r"people|gays|homosexuals|immigrants|illegal immigrants|refugees|undocumented|union members)\b|\brevenge "
        r"porn|\bnudes? of|\bchild (?:porn\w*|abuse material)|\bblackmail\w*|\bextort\w*|\bswatting\b"
    ), "exposing, hunting or blackmailing people"),
    ((
        r"\bspam\b.{0,30}\b(?:bot|send|mailer|people|million|mass)|\bmass[- ](?:spam|mailing to strangers)|\bbot "
        r"(?:farm|accounts?)|\bfake (?:accounts?|followers|likes|votes)\b|\bcheat(?:s|ing)? (?:on|in|at) (?:exams?|"
        r"tests?|the exam|games?|tax)|\baim ?bot\b|\bwall ?hack\b|\brig(?:ging)? (?:the )?(?:election|vote)s?"
    ), "spam, fake accounts or cheating"),
)  # fmt: skip
_ABOUT_RECORDS = re.compile(
    r"(?i)\b(?:incident|incidents|tickets?|reports?|register|awareness|training|log of|list of|inventory|"
    r"history of|tracker|cases?|claims|complaints|collection|museum|antique|records? of|catalog(?:ue)?|"
    r"documentation of)\b"
)
_DOING_HARM = re.compile(
    r"(?i)\b(?:victims?|ransom|asks? for bitcoin|steal|secretly|without (?:him|her|them|their)|phish|harvest|"
    r"imitat|fake login|that (?:looks|"
    r"captures|collects)|capture passwords|spy on|launder)\w*"
)

_BUILD_VERB = (
    r"(?:build|make|write|create|develop|program|code|implement|design|want|need|give|i'd like|please|me|app|"
    r"application|new|own|a|an)"
)
_OUT_OF_SCOPE: tuple[tuple[str, str, str], ...] = (
    ((
        (
            r"\b(?:(?:linux |os |operating system )?kernel|operating system|device drivers?|drivers for (?:all |my "
            r"|the |our |any )?(?:\w+ )?(?:laptops?|printers?|hardware|windows|linux|graphics|devices?|usb|pcs?|"
            r"gpus?|cards?)|bootloader|"
            r"boot loader|firmware|bios|hypervisor|file system(?! (?:inventory|list)))\b"
        )
    ), "an operating system, a kernel or drivers", "an app that records kernel builds, boots and test results"),
    ((
        r"\b(?:3d|first[- ]person|shooter|platformer|video ?game|mmorpg|multiplayer|rpg|game engine|unity|unreal|"
        r"minecraft|tetris|snake game|chess (?:game|engine)|flappy|candy crush|arcade|jump ?(?:and|'n'?) ?run|"
        r"tic[- ]tac[- ]toe|sudoku (?:solver|game)|roguelike|space invaders|pac-?man|racing game|(?:mobile|browser|"
        r"card|puzzle|computer) game|play (?:against|with) (?:the )?(?:computer|others))\b|\b(?:make|build|create|"
        r"write|develop|program|code|want|need)\b(?: me)? (?:a |an )?(?:\w+ ){0,2}game\b(?! (?:list|collection|"
        r"library|night|catalog|log|tracker|schedule|inventory|register|rental|results|nights|lending))"
    ), "games and 3D graphics", "an app that keeps your games, players and results"),
    ((
        r"\b(?:train(?:s|ing)? (?:a |an |my |our )?(?:\w+ ){0,3}(?:model|network|classifier|ai|llm)|neural network|"
        r"deep learning|machine learning (?:model|pipeline|system)|image (?:recognition|classifier|generator|"
        r"generation)|face recognition|object detection|large language model|(?:build|make|write|create|develop|"
        r"train)\b.{0,30}\b(?:chat ?bot|chat ?gpt|llm|ai assistant|voice assistant|gpt)|text[- ]to[- ]speech|"
        r"speech recognition|recommendation engine|deep ?fake\w*|stable diffusion)\b"
    ), "training or running machine-learning models", "an app that records your experiments, data sets and results"),
    ((
        r"\b(?:compiler|interpreter for|programming language|transpiler|parser for|debugger|ide\b|code editor|text "
        r"editor|browser engine|web browser|virtual machine|emulator|database engine|search engine|spreadsheet "
        r"(?:program|application|like excel)|photoshop|video (?:editor|editing)|image editor|photo editor|music "
        r"player|media player|audio (?:editor|workstation)|cad (?:program|software)|antivirus|vpn|torrent|proxy "
        r"server|web server|mail server|load balancer|packet sniffer|encryption tool|file manager|screen recorder|"
        r"pdf (?:converter|editor|merger)|(?:file|video|image|unit|currency) converter|calculator|scientific "
        r"calculator|screen saver|password cracker)\b(?! (?:inventory|list|log|licen[cs]e|licen[cs]es|tracker|"
        r"register|bugs|book|books|orders?|rental))"
    ), "system, media or developer tools", (
        "an app that records what you work on with them: tasks, versions, results"
    )),
    ((
        r"\b(?:trading bot|trade (?:automatically|crypto|stocks)|crypto (?:wallet|exchange|miner|trading)|"
        r"blockchain|cryptocurrency (?:exchange|wallet|miner|coin)|smart contracts?|nft (?:marketplace|minting|"
        r"generator)|bitcoin (?:miner|wallet)|own (?:coin|cryptocurrency)|arbitrage|high[- ]frequency|forex bot|"
        r"betting bot|stock market predictor|mine (?:bitcoin|crypto)\w*)\b"
    ), "trading, blockchains and bots that act by themselves", "an app that records your trades with totals per month"),
    ((
        r"\b(?:native (?:ios|android|mobile)|(?:ios|android|iphone) (?:app|application) (?:for|in|with|that|to|"
        r"using)|swift ?ui|(?:in|with) (?:swift|kotlin|flutter|react native)|for the app store|apk)\b"
    ), "native apps for phones", "a web app that works on a phone's screen"),
    ((
        r"\b(?:robot(?:s|ics)?|drone|self[- ]driving|autonomous|embedded|microcontroller|arduino|raspberry pi|plc|"
        r"fpga|esp32|smart home control|control (?:my|the) (?:heating|lights|house|door|machine|car)|weather "
        r"satellite|rocket|nuclear)\b(?! (?:inventory|list|log|club|parts|rental|collection|competition|team|"
        r"workshop|course|kits?|flights?))"
    ), "devices and machines", "an app that keeps an inventory and a log of them"),
    ((
        (
            r"\b(?:(?:clone of|like|next|new|another|own|build me|make me|build|create|make) (?:a )?(?:facebook|"
            r"youtube|twitter|instagram|tiktok|uber|airbnb|"
            r"whatsapp|google|netflix|spotify|amazon|ebay|tinder|linkedin|reddit|wikipedia|photoshop|windows|"
            r"excel)|"
            r"social network|video streaming|streaming (?:service|platform)|dating app|ride[- ]sharing|video "
            r"(?:call|"
            r"conference|conferencing|chat)|live stream\w*|messenger|chat app|e-?mail (?:client|server)|file "
            r"sharing|"
            r"cloud storage)\b"
        )
    ), "platforms for the public with media, chat or streaming",
    "an internal app that keeps the records such a service needs"),
    ((
        r"\b(?:web ?crawler|web ?scraper|scrape (?:the )?(?:web|websites?|prices)|crawl (?:the )?(?:web|internet|"
        r"websites?)|price comparison (?:of|from)|news aggregator|rss reader)\b"
    ), "programs that fetch data from other sites", "an app into which you enter or import such data"),
    ((
        r"\b(?:landing page|marketing (?:site|website)|portfolio (?:site|website)|company (?:website|homepage)|"
        r"wordpress|blog (?:engine|software|platform)|wedding website|restaurant website|business card website)\b"
    ), "websites that only show texts and pictures", "an app that keeps the entries behind such a site"),
    ((
        r"\b(?:weather app|weather forecast app|navigation app|route planner|maps app|translator app|translation "
        r"app|music app|camera app|meditation app|alarm clock|music (?:streaming|generator)|drawing (?:app|"
        r"program)|paint (?:app|program)|photo (?:app|gallery)|qr[- ]code generator|meme generator|image gallery|"
        r"random (?:number|password) generator|password generator|stock ticker|clock app|timer app|stopwatch|"
        r"metronome|karaoke)\b"
    ), "apps that need data, media or sensors from elsewhere", "an app in which you record such things yourself"),
)  # fmt: skip
_RECORDS_ABOUT = re.compile(
    r"(?i)\b(?:app|tool|list|log|database|inventory|register|tracker|catalog(?:ue)?|collection|overview|"
    r"records?|system) (?:that |which |to |for )?(?:\w+ )?(?:record|track|log|keep|list|manag|catalog|register|"
    r"stor|document|organi[sz]|rent|lend|inventor)\w*|"
    r"\b(?:track|record|log|register|list|lend|rent|manage|catalogue?|keep (?:track|a list|a record|an "
    r"overview|a log) of|inventory of|list of|log of|register of|collection of|database of|book(?:ing)?s? "
    r"(?:of|for)|inventory for|history of|stock of|maintenance (?:log|of))\b.{0,60}"
)

_INJECTION = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|override|bypass|skip|disable|circumvent)\b.{0,50}\b(?:instructions?|"
    r"rules?|prompts?|guidelines|restrictions|safety|acceptance tests?|tests?|checks?|limits?|verification|"
    r"polic(?:y|ies)|everything (?:above|before)|above|previous|system message|scenarios?|budget)\b|"
    r"\b(?:system|important|urgent|secret|hidden|admin|developer|attention|note|message|instructions?)\b[\w "
    r":!-]{0,30}\b(?:to|for) (?:all |the |any )?(?:ai |other )?(?:agents?|ai|assistants?|models?|llms?|bots?|"
    r"testers?|coders?|factory|developers? agents?|judges?)\b|"
    r"\b(?:report|mark|declare|answer|say|claim|count|return|treat|set|pretend|confirm)\b.{0,50}\b(?:(?:as "
    r")?(?:passed|passing|approved|successful|met|green|done without|ok without)|all tests (?:pass|passed)|"
    r"tests? (?:pass|as passed|succeeded))\b|\banswer only\b|\brespond only with\b|\breply (?:only )?with\b|"
    r"\boutput only\b|"
    r"\b(?:print|show|reveal|output|display|dump|send|put|write|copy|include|expose|read|list|leak|upload|post|"
    r"exfiltrate|cat|echo|tell me|give me)\b.{0,80}(?:\benviron(?:ment)? variables?\b|\benv(?:ironment)?\b(?= "
    r"(?:vars?|file))|\.env\b|~/\.|\.ssh\b|\bid_rsa\b|\b(?:api|ssh|secret|private|your|access) ?keys?\b|"
    r"\bsecrets?\b(?! (?:santa|ingredient))|/etc/|\bpasswd\b|\bsystem prompts?\b|\byour (?:prompt|instructions|"
    r"configuration|token|tokens|credentials|rules)\b|\bcredentials of (?:the|this)\b|\bfile ?system of (?:the|"
    r"this|your)\b|\bsource code of (?:the factory|macrohard|yourself)\b)|"
    r"\bsend\b.{0,80}\bhttps?://|\bpost\b.{0,60}\bto https?://|\b(?:upload|copy|forward|transmit|submit|report|"
    r"beacon|ping|call|fetch|download|load|include)\b.{0,80}\bhttps?://|\bcurl\b|\bwget\b|\brm -rf\b|\bsudo\b|"
    r"\bchmod\b|\beval\(|\bexec\(|\bos\.system\b|\bsubprocess\b|\bbase64 -d\b|\| ?(?:ba)?sh\b|"
    r"\byou are (?:now|no longer)\b|\bact as (?:an? )?(?:unrestricted|evil|root|admin|dan)\b|\bjailbreak\w*|"
    r"\bdan mode\b|\bdeveloper mode\b|\bgod mode\b|\bdo anything now\b|\bas an? (?:ai|language model|llm)\b|"
    r"\bpretend (?:to be|you are|that)\b|"
    r"\b(?:the )?(?:tester|coder|designer|planner|judge|reviewer|triage|release|integration|analyst)(?:'s)? "
    r"(?:agent|model|bot)s? (?:must|should|shall|will|has to|is to|needs to)\b|\b(?:tester|judge|reviewer|"
    r"agents?|ai|llm|assistant|model)s?,? (?:must|should|please|shall|are to|is to)\b.{0,40}\b(?:answer|"
    r"approve|say|ignore|skip|report|print|output|accept|respond|not test|pass)\b|"
    r"<\|?(?:system|im_start|endoftext|assistant)\|?>|\[/?INST\]|\bBEGIN (?:SYSTEM|PROMPT)\b|^\s*(?:system|"
    r"assistant)\s*:|"
    r"\b(?:raise|increase|double|remove|unlimited)\b.{0,20}\b(?:your|the run'?s?|factory'?s?) (?:budget|"
    r"limits?)\b|\b(?:delete|remove|wipe|destroy)\b.{0,30}\b(?:all (?:other )?(?:runs|repositories|tests|files "
    r"on)|the (?:database|repository) of (?:the )?factory|your (?:files|database|tests))\b|"
    r"\bcommit\b.{0,30}\b(?:secrets?|keys?|credentials|malware|backdoor)\b|\b(?:add|include|install|insert|"
    r"hide|plant)\b.{0,30}\b(?:back ?doors?|crypto ?miner|tracking pixel|hidden (?:admin|account|user|form|"
    r"field that))\b|\bdo not (?:test|verify|check|tell|mention|report)\b.{0,30}\b(?:this|the product|it|"
    r"anyone|user|customer)\b"
)
_INJECTION_REASON = (
    "This is an instruction to the factory and its agents, not a description of the product. It was not followed."
)
_ODD_TARGET = re.compile(r"(?i)\bhttps?://\S+|~/\.ssh|public/\S+\.txt")

_OTHER_LANGUAGES: tuple[tuple[str, str], ...] = (
    ("German", (
        "ich wir eine einen einer mit und für möchte brauche soll sollen nicht der die das den dem auch oder aber "
        "alle mein meine unsere unser können kann nach werden wird ist sind bitte liste verwaltung erstelle haben "
        "auf über wenn sein zum zur im von felder termine kunden bücher"
    )),
    ("French", (
        "je nous une avec et pour veux voudrais besoin doit les des mes notre nos sur dans pas aussi ou mais tous "
        "peut est sont liste gestion faire avoir créer une application qui que où ajouter du le la"
    )),
    ("Spanish", (
        "yo una con para quiero necesito debe los las mis nuestro nuestra del por también pero todos puede es son "
        "lista gestión hacer tener crear aplicación que donde y de el se"
    )),
    ("Italian", (
        "io una con per voglio vorrei bisogno deve gli dei mio nostra del anche ma tutti può è sono lista gestione "
        "fare avere creare applicazione che dove e di il le si"
    )),
    ("Dutch", (
        "ik wij een met voor wil nodig moet de het mijn onze van ook maar alle kan is zijn lijst beheer maken "
        "hebben applicatie die waar en niet op"
    )),
    ("Portuguese", (
        "eu uma com para quero preciso deve os as meus nosso do também mas todos pode é são lista gestão fazer ter "
        "criar aplicativo que onde e não"
    )),
    ("Polish", (
        "ja chcę potrzebuję aplikacja oraz lista dla nie jest są moje które który powinna być mojej książek "
        "klientów"
    )),
    ("Danish", "jeg vi en et med og til vil har brug skal ikke min vores liste over også eller men alle kan er der på"),
)  # fmt: skip
_ENGLISH = frozenset(
    vocabulary("""
    the a an and or of to for in on with is are be should must can i we my our it that this list app need want
    show by from each not no all name date if when has have add as at your their who what which will please
    track keep me you up out new one only also per make build create record
    """)
)
_VAGUE = re.compile(
    r"(?i)\b(?:like|as) (?:we|you and i|i) (?:talked|discussed|agreed|said|spoke|mentioned|described|told)|"
    r"\bas discussed\b|\bsame as (?:before|last time|the (?:last|old|other) one)|\byou know what i (?:mean|"
    r"want|need)|\bthe usual\b|\byesterday\b|\blast (?:week|time)'?s? (?:version|app|one|meeting)|\bjust make "
    r"it (?:work|nice|good)|\bsomething (?:nice|cool|useful|good|for (?:my|our|the) (?:business|company|office|"
    r"work|team))|\bwhatever you (?:think|want|like)|\bsurprise me\b|\bthe (?:thing|app|one) (?:from|we)\b"
)


def exclude(requirement: str) -> tuple[str, tuple[Exclusion, ...]]:
    """The text without what is aimed at the factory, and that part with the reason."""
    kept: list[str] = []
    found: list[Exclusion] = []
    for paragraph in re.split(r"(\n\s*\n)", fold(requirement)):
        lines = []
        for line in paragraph.split("\n"):
            good, suspicious = [], False
            for sentence in sentences(line):
                if len(sentence) <= 2000 and _INJECTION.search(sentence):
                    found.append(Exclusion(text=sentence.strip()[:600], reason=_INJECTION_REASON))
                    suspicious = True
                elif suspicious and _ODD_TARGET.search(sentence):
                    found.append(Exclusion(text=sentence.strip()[:600], reason=_INJECTION_REASON))
                else:
                    good.append(sentence)
            if good and any(re.search(r"\w", one) for one in good):
                lines.append("".join(good) if suspicious else line)
            elif not suspicious:
                lines.append(line)
        kept.append("\n".join(lines))
    return ("".join(kept), tuple(found)) if found else (requirement, ())


def screen(text: str, *, recordable: bool) -> Finding | None:
    """Why a text is not built; None if it may be. `recordable`: it names things that can be recorded."""
    plain = " ".join(fold(text).split())
    letters = sum(char.isalpha() for char in plain)
    if not plain:
        return Finding(
            "refuse",
            (
                f"Nothing was written, so there is nothing to build. Say in a sentence or two what you want to "
                f"keep track of, for example “loans of our tools: tool, borrower, due date; show what is overdue”. "
                f"I build {_BUILDS}."
            ),
        )
    if letters < 3 or letters * 3 < len(plain.replace(" ", "")):
        return Finding(
            "refuse",
            (
                f"This is not a requirement: it holds hardly any words. Say what you want to keep track of, e.g. "
                f"“tasks with due dates”. I build {_BUILDS}."
            ),
        )
    head = plain[:6000]
    if re.search(r"(?i)\blorem ipsum\b|\bdolor sit amet\b", head[:400]):
        return not_a_requirement(text)
    for pattern, what in _HARMFUL:
        if match := re.search(rf"(?i){pattern}", head):
            around = head[max(0, match.start() - 60) : match.end() + 60]
            if recordable and _ABOUT_RECORDS.search(around) and not _DOING_HARM.search(around):
                continue
            return Finding(
                "refuse",
                (
                    f"I do not build {what}: “{_short(match.group())}”. It would harm people, and no setting "
                    f"changes that. What can be built near it is a record of your own, lawful matters, e.g. a log "
                    f"of security incidents or of training sessions."
                ),
            )
    if language := language_of(head):
        return Finding(
            "refuse",
            (
                f"This text seems to be {language}. The built-in model reads English only and would guess wrongly. "
                f"Write it in English, or set {SETTINGS} to use a model that reads {language}."
            ),
        )
    return None


def out_of_scope(text: str) -> Finding | None:
    """Why what is asked for is another kind of software than this model builds; None if it is not."""
    plain = " ".join(fold(text).split())[:3000]
    opening = plain[:400]
    for pattern, what, near in _OUT_OF_SCOPE:
        for match in re.finditer(rf"(?i){pattern}", opening):
            before = opening[max(0, match.start() - 70) : match.start()]
            if (_RECORDS_ABOUT.search(before) and not re.search(r"(?i)[.!?]\s+\S*$", before)) or re.match(
                (
                    r"(?i)s?'?s? (?:builds?|bugs?|inventory|collection|tests?|releases?|licen[cs]es?|issues?|"
                    r"tickets?|orders?|club|library|rentals?|repairs?|results?|catalog(?:ue)?|list|log|tracker|"
                    r"parts|versions?)\b"
                ),
                opening[match.end() :],
            ):
                continue
            return Finding(
                "refuse",
                (
                    f"This asks for {what} (“{_short(match.group())}”), which is outside what the built-in model "
                    f"builds: {_BUILDS}. "
                    f"Nothing was built, so that nothing is pretended. Near it I can build {near}. "
                    f"For other kinds of small web apps, services or command-line tools set {SETTINGS} to use a "
                    f"real model; it can try what this one can't, though not all of this fits into a small product."
                ),
            )
    return None


def not_a_requirement(text: str) -> Finding:
    """Refusal of what asks for nothing that can be recorded."""
    plain = " ".join(fold(text).split())
    advice = (
        f"Say what you want to keep track of and which details, e.g. “visitors: name, company, time in, time out; "
        f"show who is here”. I build {_BUILDS}."
    )
    if re.search(r"(?i)lorem ipsum|dolor sit amet", plain):
        return Finding("refuse", f"This is filler text, not a requirement. {advice}")
    if looks_like_code(text):
        return Finding(
            "refuse",
            (
                f"This is program code or data, not a requirement: it does not say what should be built. {advice} "
                f"To work on code set {SETTINGS} to use a real model."
            ),
        )
    if (plain.rstrip().endswith("?") and len(re.findall(r"[.!?](?:\s|$)", plain)) <= 1) or re.match(
        r"(?i)(?:what|who|when|where|why|how|is|are|can|do|does|will|which)\b", plain
    ):
        return Finding(
            "refuse",
            f"This is a question, not a requirement, and I build products instead of answering questions. {advice}",
        )
    return Finding(
        "refuse",
        (
            f"I could not find anything in this text that is to be recorded: it does not read like a requirement "
            f"for an app. {advice} If it is one for another kind of product, set {SETTINGS} to use a real model."
        ),
    )


def looks_like_code(text: str) -> bool:
    """Whether most lines are program code, a log or markup."""
    lines = [line for line in text.splitlines() if line.strip()][:200]
    if not lines:
        return False
    code = sum(
        1
        for line in lines
        if re.search(
            (
                r"[;{}]\s*$|^\s*(?:def|class|import|from \w+ import|return|if\s*\(|for\s*\(|function|const|let|var|"
                r"public|private|#include|SELECT|INSERT|<\/?\w+[^>]*>|\}|//|@\w+|print\()|=>|\w+\(.*\)\s*[;:{]?$|"
                r"^\s*File \"|Traceback|^\d{4}-\d\d-\d\d[T ]\d\d:\d\d|^\s*at \w+\."
            ),
            line,
        )
    )
    return code * 2 > len(lines) and code >= 2


def is_vague(text: str) -> bool:
    """Whether a text points to something that was never said here."""
    return bool(_VAGUE.search(fold(text)))


def language_of(text: str) -> str | None:
    """The language a text is written in, when that is clearly not English."""
    words = re.findall(r"[^\W\d_]+", text.lower())[:400]
    if not words:
        return None
    foreign = sum(1 for char in text if char.isalpha() and ord(char) > 0x24F)
    if foreign * 2 > sum(char.isalpha() for char in text):
        return "another language than English"
    english = sum(word in _ENGLISH for word in words)
    scores = {
        name: sum(word in known for word in words)
        for name, known in ((name, set(words_.split())) for name, words_ in _OTHER_LANGUAGES)
    }
    name, best = max(scores.items(), key=lambda pair: pair[1])
    if best >= 2 and best > english * 1.3 and best >= len(words) * 0.15:
        return name
    return None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}…"
