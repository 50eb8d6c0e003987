"""Methods that several sweeps compare."""

from baselines.am import AM
from baselines.crl import CRL
from baselines.ddpg import DDPG
from baselines.eql import GCEQL
from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from baselines.gofar_expectile import GoFARExpectile
from baselines.iql import GCIQL
from baselines.sql import GCSQL
from baselines.wgcsl import WGCSL
from baselines.xql import GCXQL
from smore_sweep.smore import SMORe

SEVEN = (SMORe(), GoFAR(), WGCSL(), GCSL(), CRL(), AM(), GCIQL())
"""The columns of Table 1."""

TWELVE = (*SEVEN, GCSQL(), GCEQL(), GCXQL(), DDPG(), GoFARExpectile())
"""The seven, the other in-sample methods, the plain actor-critic, and GoFAR with an expectile loss."""
