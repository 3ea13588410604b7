"""The judge of a canary: is the new release worse than the one beside it, as good, or can nobody tell yet?

Pure: what was seen is folded into Evidence sample by sample, and `decide` gives the verdict on it. The same judge
watches a release that is already live, against what was known of the one before it (`begin` with a baseline).
"""

from wend.canary.decide import decide, enough
from wend.canary.evidence import Evidence, begin, fold, stepped
from wend.canary.seen import Action, Sample, Side, Verdict
from wend.declared import AUTO_STEPS

__all__ = [
    "AUTO_STEPS",
    "Action",
    "Evidence",
    "Sample",
    "Side",
    "Verdict",
    "begin",
    "decide",
    "enough",
    "fold",
    "stepped",
]
