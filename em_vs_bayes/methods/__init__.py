"""Ways to fit, each from a program to an outcome, and the one loop that drives them.

A new method is one file here and one line in `METHODS`.
"""

from em_vs_bayes.methods.advi import ADVI
from em_vs_bayes.methods.base import Method
from em_vs_bayes.methods.em import EM
from em_vs_bayes.methods.gibbs import Gibbs
from em_vs_bayes.methods.laplace import Laplace
from em_vs_bayes.methods.nuts import NUTS
from em_vs_bayes.methods.vi import VI

METHODS: dict[str, type[Method]] = {
    "em": EM,
    "vi": VI,
    "gibbs": Gibbs,
    "nuts": NUTS,
    "laplace": Laplace,
    "advi": ADVI,
}
