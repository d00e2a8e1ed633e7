"""The words of the built-in grammar.

Most nouns are verbs too, most verbs nouns, and many adjectives either: what a word is shows only in
its sentence. A hyphen marks off a suffix (``paint-er``); words that merely end like one have none
(``river``, ``ring``, ``family``). A star marks a mass noun. Nouns are grouped by what they name, so
that verbs find subjects and objects that make sense.
"""

from captum_lca.corpora.inflection import Form, Noun, Verb, derived, noun, verb


def _nouns(entries: str) -> tuple[Noun, ...]:
    return tuple(map(noun, entries.split()))


def _verbs(entries: str) -> tuple[Verb, ...]:
    return tuple(map(verb, entries.split()))


def _words(entries: str) -> tuple[str, ...]:
    return tuple(entries.split())


def _forms(entries: str) -> tuple[Form, ...]:
    return tuple(map(derived, entries.split()))


NOUNS: dict[str, tuple[Noun, ...]] = {
    "person": _nouns(
        """cook guard guide nurse coach pilot judge doctor host scout clown model volunteer
        champion captain shepherd witness tutor boss rival partner guest crew patient criminal
        official native local teach-er farm-er writ-er sing-er paint-er driv-er lead-er work-er
        play-er danc-er train-er report-er visit-or act-or direct-or sail-or art-ist scient-ist
        journal-ist tour-ist child woman man king queen neighbor sister brother student lawyer
        soldier friend family uncle"""
    ),
    "animal": _nouns(
        "duck fish dog cat horse sheep deer cow bird goat wolf mouse goose rabbit bear"
    ),
    "thing": _nouns(
        """plant film photograph copy map list drink brush hammer lock light ship book phone
        label box bag bottle stamp sign coat button tape load cover lift mail* water* paint*
        record study letter door window table car truck boat wheel novel orange rose picture cup
        coin ring bed basket hat design find paint-ing record-ing draw-ing collec-tion
        invita-tion state-ment pay-ment"""
    ),
    "event": _nouns(
        """walk run play dance visit talk call dream plan promise report answer question request
        order offer protest attack repair race trade march search test change delay debate
        review climb swim ride drive fight smile laugh cry whisper shout joke vote rest nap jump
        move stop start return escape rescue hunt cheer surprise worry scare concern puzzle
        shock delight hope fear need break sleep* work* travel* love* interest touch
        welcome look wait comfort* support* trouble* help* secret show guess claim cut meet-ing
        greet-ing warn-ing elec-tion celebra-tion explana-tion dark-ness* happi-ness* kind-ness*
        argu-ment agree-ment perform-ance friend-ship"""
    ),
    "place": _nouns(
        """house park garden farm camp school stage harbor shelter field bridge land* museum
        city village street kitchen river mountain market forest beach hall tower station
        build-ing"""
    ),
}

INTRANSITIVE = _verbs(
    """walk run play dance talk dream protest march climb swim laugh smile cry whisper shout
    joke vote rest nap jump move stop start return escape hunt cheer fish camp volunteer
    work sleep wait sing paint study travel race trade fly cook drive worry fight"""
)
MOTION = frozenset(_words("walk run march climb swim return escape travel race drive fly move"))
"""Intransitive verbs that lead somewhere."""
ANIMAL_INTRANSITIVE = _verbs(
    "walk run play dream climb swim rest nap jump move stop escape hunt fly"
)
EVENT_INTRANSITIVE = _verbs("help change end start stop work matter fail return move")

OBJECT_VERBS: dict[str, tuple[Verb, ...]] = {
    "person": _verbs(
        """help visit call question guide nurse coach judge thank trust follow watch answer fear
        love like shelter tutor rescue attack support surprise comfort film photograph host
        scare meet teach know shock puzzle worry need guard film model trouble see"""
    ),
    "animal": _verbs(
        """feed watch hunt train nurse walk scare guard photograph love rescue follow film
        shelter like"""
    ),
    "thing": _verbs(
        """copy order paint record label lock stamp sign cover load lift repair test clean dry
        empty open brush photograph film design carry break buy sell find hide need want review
        hold like tape box list have"""
    ),
    "event": _verbs(
        """plan watch film report delay review host judge start stop remember enjoy like love
        fear study record describe discuss expect need want change support welcome debate
        question witness champion have"""
    ),
    "place": _verbs(
        """visit guard search clean leave map paint photograph scout cross reach find film farm
        open clear garden light like plant water"""
    ),
}
"""Kind of object to the verbs that people use with it."""

ANIMAL_TRANSITIVE = _verbs(
    "help follow watch guard scare surprise need trust love fear like shelter"
)
"""What animals do to people and to each other."""
EVENT_TRANSITIVE = _verbs(
    """help surprise please worry scare delay interest calm move delight trouble concern
    puzzle comfort support shock stop change cheer shelter touch"""
)
"""What things, events and places do to people."""

SENTENTIAL = _verbs(
    """hope think say know believe promise dream report guess claim fear judge worry answer
    shout whisper"""
)
INFINITIVAL = _verbs("want plan hope promise need love like start offer refuse volunteer vote")
DITRANSITIVE = _verbs("give offer show send hand mail promise lend bring")

PERSON_ADJECTIVES = _forms(
    """calm quiet native local young old tall happy sad wise brave kind clever slow patient
    cool warm fool-ish care-ful help-ful cheer-ful fear-less care-less fam-ous danger-ous
    nerv-ous surpris-ed worri-ed puzzl-ed charm-ing person-al reli-able"""
)
THING_ADJECTIVES = _forms(
    """clean dry cool warm empty open slow clear light quiet official local secret daily
    early late fast hard old new small large red green orange novel private present use-ful
    peace-ful use-less fam-ous danger-ous comfort-able reason-able surpris-ing worry-ing
    puzzl-ing paint-ed music-al nation-al"""
)

STATIVE = frozenset(_words("believe expect fear have know like love need see think trust want"))
"""Verbs without a progressive."""

MANNER_ADVERBS = _forms(
    """slow-ly quick-ly quiet-ly careful-ly happi-ly sad-ly brave-ly calm-ly kind-ly fast
    hard early late"""
)
TIME_AND_PLACE_ADVERBS = _forms(
    "today outside inside early late again here there daily before nearby soon"
)
FREQUENCY_ADVERBS = _forms("often always never sometimes usual-ly rare-ly careful-ly quiet-ly soon")

FIRST_NAMES = _words(
    """Rose Mark Grace Bill Will Hope Joy Frank Hunter May Art Guy Anna David Maria Omar Chen
    Nina Paul Lucy"""
)
CITIES = _words("Paris Berlin Cairo Lima Bath Reading London Oslo Turkey Nice")
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
PLURAL_NUMBERS = _words("two three four five six seven eight nine ten 12 20 45 100")
