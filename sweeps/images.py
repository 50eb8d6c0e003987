"""Section 4.4 of the SMORe paper: four methods that see images, on a tabletop.

docs/results/images.md has the predictions and, beside the paper's figure, the outcomes.

Evaluation goals take turns: the four compositions of figure 3, then four single primitives, an easier tier. The data
hold single primitives only. The scales have presets of their own, which no table mixes: ``image-small`` at smoke and
workstation scale, ``image-paper``, Table 5, at paper scale.
"""

from baselines._images import PAPER, SMALL
from baselines.image_gcbc import ImageGCBC
from baselines.image_iql import ImageGCIQL
from baselines.image_smore import ImageSMORe
from baselines.stable_crl import StableCRL
from smore_sweep import Budget, Grid, Scale, Sweep

TASKS = ("TabletopImages",)

SWEEP = Sweep(
    name="images",
    description="Section 4.4, figure 3: SMORe, GC-IQL, GCBC and stable contrastive RL from 48 x 48 images",
    # An episode's commanded goal is its last image: a fifth of SMORe's and GC-IQL's goals, beside hindsight goals.
    grids=[Grid(methods=[ImageSMORe(), ImageGCIQL(), ImageGCBC(), StableCRL()], tasks=TASKS)],
    default_scale="workstation",
    scales={
        "smoke": Scale(
            tasks=TASKS,
            seeds=2,
            budget=Budget(
                episodes=26, updates=20, batch_size=16, evaluate_every=10, evaluation_episodes=1, final_episodes=8
            ),
            knobs={**SMALL, "hidden": 32},
        ),
        # 100,000 transitions, six passes over them.
        "workstation": Scale(
            tasks=TASKS,
            seeds=3,
            budget=Budget(
                episodes=1_334, updates=5_000, batch_size=128, evaluate_every=2_500, evaluation_episodes=16,
                final_episodes=40,
            ),
            knobs=SMALL,
        ),
        # Appendix C.2 and Table 5: 250,000 transitions, 300,000 updates, 5 seeds.
        "paper": Scale(
            tasks=TASKS,
            seeds=5,
            budget=Budget(
                episodes=3_334, updates=300_000, batch_size=2_048, evaluate_every=20_000, evaluation_episodes=16,
                final_episodes=80,
            ),
            knobs=PAPER,
        ),
    },
)  # fmt: skip
