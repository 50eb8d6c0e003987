"""Methods that several sweeps compare."""

from baselines.am import AM
from baselines.crl import CRL
from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from baselines.iql import GCIQL
from baselines.wgcsl import WGCSL
from smore_sweep.smore import SMORe

SEVEN = (SMORe(), GoFAR(), WGCSL(), GCSL(), CRL(), AM(), GCIQL())
"""The columns of Table 1."""
