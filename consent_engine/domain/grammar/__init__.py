"""The meaning of a reply. Consent is read strictly, refusal liberally; the words are data with an edition.

`words` and `patterns` hold the data, `fold` folds a text, `reading` finds its meaning.
"""

from consent_engine.domain.grammar.fold import folded
from consent_engine.domain.grammar.meaning import Keyword, Read, Reason, counted, of_a_fragment
from consent_engine.domain.grammar.read_reply import asks_to_end, read, usable_code
from consent_engine.domain.grammar.words import EDITION
