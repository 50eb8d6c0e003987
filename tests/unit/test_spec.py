"""Declaration, expansion and hashes of runs."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from baselines.gofar import GoFAR
from baselines.u2o import U2O
from baselines.wgcsl import WGCSL
from examples.wall.world import Wall, walk
from smore_sweep import Task
from smore_sweep.errors import DeclarationError, UserError
from smore_sweep.method import Method, knob, knobs, method, stackable_knobs
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep, grid

BUDGET = {
    "episodes": 200,
    "updates": 1000,
    "batch_size": 64,
    "evaluate_every": 250,
    "evaluation_episodes": 5,
    "final_episodes": 20,
}


def run(**changed: Any) -> RunSpec:
    fields: dict[str, Any] = {
        "method": SMORe(),
        "task": "FetchReach",
        "expert_share": 0.1,
        "seed": 0,
        "scale": "laptop",
        "budget": Budget(**BUDGET),
    }
    return RunSpec(**{**fields, **changed})


REQUIRED: dict[str, dict[str, Any]] = {
    "bc_weight": {"extraction": "gradient_bc"},
    "samples": {"extraction": "sampling"},
    "opex": {"critic_acts": True},
    "ttt": {"critic_acts": True},
}
"""What a knob needs."""


def other_values(method: type[Method]) -> list[Method]:
    """Return a configuration per knob, with that knob alone at another valid value."""
    configurations = []
    for name, field in knobs(method).items():
        knob, default = field.metadata["knob"], getattr(method(), name)
        if knob.choices:
            value: Any = next(choice for choice in knob.choices if choice != default)
        elif isinstance(default, bool):
            value = not default
        else:
            value = default + 1 if isinstance(default, int) else default * 0.5 or 0.5
        configurations.append(method(**{name: value}, **REQUIRED.get(name, {})))
    return configurations


def changes() -> list[dict[str, Any]]:
    """Return every way to change one field of a run."""
    budgets: list[dict[str, Any]] = [
        {"budget": Budget(**{**BUDGET, name: value + 10})} for name, value in BUDGET.items()
    ]
    methods: list[dict[str, Any]] = [{"method": method} for method in [*other_values(SMORe), GoFAR()]]
    plain: list[dict[str, Any]] = [
        {"task": "FetchPush"},
        {"expert_share": 0.05},
        {"seed": 1},
        {"scale": "paper"},
        {"source": "minari"},
    ]
    return [*plain, *budgets, *methods]


def test_changes_cover_every_field() -> None:
    # declared names the run and is no part of its content.
    fields = {field.name for field in dataclasses.fields(RunSpec)} - {"declared"}
    assert {name for change in changes() for name in change} == fields


def test_any_field_changes_the_id() -> None:
    ids = [run().run_id, *(run(**change).run_id for change in changes())]
    assert len(set(ids)) == len(ids)
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in ids)


def test_a_knob_that_came_later_leaves_the_ids_of_earlier_runs_alone() -> None:
    @method
    class Early(Method):
        name: ClassVar[str] = "Method"
        rate: float = knob("a knob", default=0.5)

    @method
    class Late(Method):
        name: ClassVar[str] = "Method"
        rate: float = knob("a knob", default=0.5)
        kind: str = knob("it came later", default="new", choices=("old", "new"), before="old")
        size: float = knob("so did this", default=1.0, stackable=True, before=1.0)

    early, same, other = run(method=Early()), run(method=Late(kind="old")), run(method=Late())
    assert same.run_id == early.run_id
    assert other.run_id != early.run_id
    assert run(method=Late(size=2.0)).stack_key == other.stack_key != same.stack_key


def test_equal_content_has_an_equal_id() -> None:
    assert run().run_id == run().run_id
    assert run(method=SMORe(beta=0.5)).run_id == run(method=SMORe()).run_id
    assert run(source="generated").run_id == run().run_id


@pytest.mark.parametrize(
    ("whole", "fraction"),
    [
        (run(method=SMORe(temperature=1)), run(method=SMORe(temperature=1.0))),
        (run(method=SMORe(her_ratio=0)), run(method=SMORe(her_ratio=0.0))),
        (run(expert_share=0), run(expert_share=0.0)),
        (run(expert_share=1), run(expert_share=1.0)),
    ],
)
def test_a_whole_number_means_the_same_as_its_fraction(whole: RunSpec, fraction: RunSpec) -> None:
    assert whole == fraction
    assert whole.run_id == fraction.run_id
    assert whole.title == fraction.title


def test_the_id_of_a_known_run_never_changes() -> None:
    """A change of this text orphans all results, and requires a higher PROTOCOL."""
    text = (  # second revision, as the default her_ratio is not 1
        '{"budget":{"batch_size":64,"episodes":200,"evaluate_every":250,"evaluation_episodes":5,"final_episodes":20,'
        '"updates":1000},"expert_share":0.1,"knobs":{"beta":0.5,"discount":0.99,"divergence":"pearson","expectile":0.8,'
        '"her_ratio":0.8,"hidden":256,"hidden_layers":2,"initial_action":"dataset","learning_rate":0.0003,'
        '"normalize_inputs":true,"target_rate":0.005,"temperature":3.0,"variant":"paper"},"method":"SMORe","protocol":1,'
        '"revision":2,"scale":"laptop","seed":0,"source":"generated","task":"FetchReach"}'
    )
    assert run().run_id == hashlib.sha256(text.encode()).hexdigest()[:16] == "9f89e1445df8218f"


def test_a_revised_configuration_is_another_run_in_the_same_stack() -> None:
    hindsight, mixed = (run(method=SMORe(her_ratio=ratio)) for ratio in (1.0, 0.8))
    assert "revision" not in hindsight.content()
    assert mixed.content()["revision"] == 2
    assert hindsight.stack_key == mixed.stack_key
    assert [WGCSL(her_ratio=0.5, variant=variant).revision for variant in ("release", "gofar_code")] == [2, 1]


def test_the_stack_key_ignores_seed_expert_share_and_stackable_knobs_only() -> None:
    stackable = stackable_knobs(SMORe)
    assert set(stackable) == {
        "beta", "expectile", "temperature", "her_ratio", "bc_weight", "discount", "learning_rate",
    }  # fmt: skip
    for change in changes():
        configuration = change.get("method")
        ignored = set(change) <= {"seed", "expert_share"} or (
            isinstance(configuration, SMORe) and set(configuration.changed()) <= set(stackable)
        )
        assert (run(**change).stack_key == run().stack_key) is ignored, change
    assert stackable_knobs(GoFAR) == ("discount", "learning_rate", "discriminator_learning_rate")


@pytest.mark.parametrize(
    ("episodes", "counts"),
    [
        (2_000, {0.0: 0, 0.01: 20, 0.025: 50, 0.05: 100, 0.1: 200, 1.0: 2_000}),
        (40_000, {0.0: 0, 0.01: 400, 0.025: 1_000, 0.05: 2_000, 0.1: 4_000, 1.0: 40_000}),
    ],
)
def test_expert_episodes_follow_the_released_rule(episodes: int, counts: dict[float, int]) -> None:
    budget = Budget(**{**BUDGET, "episodes": episodes})
    assert {share: run(expert_share=share, budget=budget).expert_episodes for share in counts} == counts


def test_expert_episodes_are_rounded_down_but_not_by_floating_point() -> None:
    def count(episodes: int, share: float) -> int:
        return run(expert_share=share, budget=Budget(**{**BUDGET, "episodes": episodes})).expert_episodes

    assert count(200, 0.0299) == 5
    # 0.29 * 100 is 28.999999999999996 in floating point.
    assert count(100, 0.29) == 29


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expert_share": 1.5}, "expert_share = 1.5 is not valid; it must be in [0, 1]"),
        ({"expert_share": -0.1}, "expert_share = -0.1 is not valid"),
        ({"expert_share": float("nan")}, "expert_share = nan is not valid"),
        ({"expert_share": "5%"}, "expert_share = '5%' is not valid"),
        ({"expert_share": 0.001}, "0.001 of 200 episodes is less than one expert episode"),
        ({"seed": -1}, "seed = -1 is not valid; it must be a whole number of at least 0"),
        ({"seed": 1.0}, "seed = 1.0 is not valid"),
        ({"seed": True}, "seed = True is not valid"),
    ],
)
def test_bad_runs_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        run(**change)
    assert message in str(error.value)


def test_a_method_of_whole_goals_refuses_a_task_of_others() -> None:
    class Whole(SMORe):
        whole_goals = True

    assert run(method=Whole(), task="pointmaze-medium-navigate", expert_share=1.0).method.whole_goals
    with pytest.raises(UserError) as error:
        run(method=Whole(), task="FetchReach")
    assert str(error.value) == (
        "FetchReach: SMORe needs goals that are whole observations; here a goal has 3 numbers and an observation 10"
    )


@pytest.mark.parametrize("name", BUDGET)
@pytest.mark.parametrize("value", [0, -5, 2.5, True, "10"])
def test_bad_budgets_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError) as error:
        Budget(**{**BUDGET, name: value})
    assert str(error.value) == f"budget: {name} = {value!r} is not valid; it must be a whole number of at least 1"


ONLINE = {**BUDGET, "online_episodes": 30, "updates_per_episode": 10}
ONE_GOAL = "pointmaze-medium-navigate-singletask-task2"


def online_run(**changed: Any) -> RunSpec:
    return run(**{"method": U2O(), "task": ONE_GOAL, "expert_share": 1.0, "budget": Budget(**ONLINE), **changed})


def test_an_online_phase_is_part_of_a_run_and_none_is_not() -> None:
    assert run(budget=Budget(**BUDGET, online_episodes=0)).content()["budget"] == BUDGET
    assert online_run().content()["budget"] == ONLINE
    ids = {online_run(budget=Budget(**{**ONLINE, **change})).run_id for change in (
        {}, {"online_episodes": 0, "updates_per_episode": 0}, {"online_episodes": 31}, {"updates_per_episode": 11},
    )}  # fmt: skip
    assert len(ids) == 4


def test_an_online_phase_has_the_last_updates_and_episodes_of_its_own() -> None:
    budget = Budget(**ONLINE)
    assert (budget.offline_updates, Budget(**BUDGET).offline_updates) == (700, 1000)
    # At 750 three more evaluations of 5 episodes each are over.
    assert [budget.rolled_out(behind) for behind in (0, 250, 750)] == [3 * 5 + 20 + 30, 2 * 5 + 20 + 30, 20 + 25]
    assert Budget(**BUDGET).rolled_out(0) == 3 * 5 + 20


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"online_episodes": -1}, "online_episodes = -1 is not valid; it must be a whole number of at least 0"),
        ({"online_episodes": 2.0}, "online_episodes = 2.0 is not valid"),
        ({"updates_per_episode": 0}, "online_episodes = 30 with updates_per_episode = 0 is not valid; give both or"),
        ({"online_episodes": 0}, "online_episodes = 0 with updates_per_episode = 10 is not valid"),
        ({"updates": 300}, "updates = 300 is not valid; 30 online episodes with 10 updates each leave none to learn"),
    ],
)
def test_bad_online_phases_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        Budget(**{**ONLINE, **change})
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"method": SMORe(her_ratio=1.0)},
            f"{ONE_GOAL}: online_episodes = 30 is not valid; SMORe learns from its data",
        ),
        ({"task": "pointmaze-medium-navigate"}, "U2O goes on online for one goal and from vectors, so it needs a task"),
        ({"task": "FetchReach"}, "FetchReach: online_episodes = 30 is not valid; U2O goes on online for one goal"),
    ],
)
def test_what_cannot_go_on_online_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        online_run(**change)
    assert said in str(error.value)
    assert online_run(**change, budget=Budget(**BUDGET))


def sweep(**changed: Any) -> Sweep:
    fields: dict[str, Any] = {
        "name": "example",
        "description": "two methods on two tasks",
        "grids": [Grid(methods=[SMORe(), GoFAR()], tasks=["FetchReach", "Reacher"], expert_share=[0.1, 0.05])],
        "scales": {
            "laptop": Scale(
                tasks=["FetchReach", "Reacher"],
                seeds=2,
                budget=Budget(**BUDGET),
                per_task={"Reacher": {"seeds": 1}},
            ),
            "paper": Scale(
                tasks=["Reacher"],
                seeds=3,
                budget=Budget(**BUDGET),
                per_task={"Reacher": {"updates": 9000, "episodes": 2000}},
            ),
        },
    }
    return Sweep(**{**fields, **changed})


def short(runs: Sequence[RunSpec]) -> list[tuple[str, str, float, int]]:
    return [(item.task, item.method.name, item.expert_share, item.seed) for item in runs]


def test_expand_goes_by_task_method_share_and_seed() -> None:
    assert short(sweep().expand()) == [
        ("FetchReach", "SMORe", 0.1, 0), ("FetchReach", "SMORe", 0.1, 1),
        ("FetchReach", "SMORe", 0.05, 0), ("FetchReach", "SMORe", 0.05, 1),
        ("FetchReach", "GoFAR", 0.1, 0), ("FetchReach", "GoFAR", 0.1, 1),
        ("FetchReach", "GoFAR", 0.05, 0), ("FetchReach", "GoFAR", 0.05, 1),
        ("Reacher", "SMORe", 0.1, 0), ("Reacher", "SMORe", 0.05, 0),
        ("Reacher", "GoFAR", 0.1, 0), ("Reacher", "GoFAR", 0.05, 0),
    ]  # fmt: skip


def test_a_scale_chooses_tasks_seeds_and_budget() -> None:
    runs = sweep().expand("paper")
    assert {(item.task, item.scale) for item in runs} == {("Reacher", "paper")}
    assert [item.seed for item in runs] == [0, 1, 2] * 4
    assert runs[0].budget == Budget(**{**BUDGET, "updates": 9000, "episodes": 2000})
    assert sweep().expand("laptop") == sweep().expand()


def test_without_a_name_it_is_the_default_scale_or_else_the_first() -> None:
    paper = sweep().scales["paper"]
    assert sweep(scales={"paper": paper}).scale(None) == "paper"
    assert sweep(scales={"paper": paper}).expand() == sweep().expand("paper")
    assert sweep(scales={"paper": paper, "huge": paper}).scale(None) == "paper"
    assert sweep(scales={"paper": paper, "laptop": paper}).scale(None) == "laptop"
    assert sweep(scales={"paper": paper, "laptop": paper, "huge": paper}, default_scale="huge").scale(None) == "huge"
    with pytest.raises(UserError, match="sweep example has no scale 'laptop'; its scales are: paper"):
        sweep(scales={"paper": paper}).scale("laptop")


def test_seeds_and_tasks_replace_the_scales_own() -> None:
    runs = sweep().expand(seeds=3, tasks=["Reacher"])
    assert {item.task for item in runs} == {"Reacher"}
    assert [item.seed for item in runs] == [0, 1, 2] * 4
    assert {item.task for item in sweep().expand("paper", tasks=["FetchReach"])} == {"FetchReach"}


def test_more_seeds_keep_the_earlier_runs() -> None:
    few, many = (sweep().expand(seeds=count) for count in (2, 5))
    assert {item.run_id for item in few} < {item.run_id for item in many}
    assert len(many) == 2.5 * len(few)


@pytest.mark.parametrize(
    ("changed", "arguments", "message"),
    [
        ({}, {"scale": "huge"}, "sweep example has no scale 'huge'; its scales are: laptop, paper"),
        ({}, {"tasks": ["Chess"]}, "sweep example has no task 'Chess'; its tasks are: FetchReach, Reacher"),
        ({}, {"seeds": 0}, "seeds = 0 is not valid; it must be a whole number of at least 1"),
        ({"name": "My sweep"}, {}, "sweep name 'My sweep' is not valid"),
        ({"name": "../up"}, {}, "sweep name '../up' is not valid"),
        ({"grids": []}, {}, "sweep example has no grid"),
        ({"grids": [Grid(methods=[], tasks=["FetchReach", "Reacher"], expert_share=[0.1])]}, {}, "any methods"),
        (
            {"grids": [Grid(methods=[SMORe()], tasks=["FetchReach", "Reacher"], expert_share=[])]},
            {},
            "any expert_share",
        ),
        (
            {"grids": [Grid(methods=[SMORe(), SMORe()], tasks=["FetchReach", "Reacher"], expert_share=[0.1])]},
            {},
            "twice",
        ),
        ({"grids": [Grid(methods=[SMORe()], tasks=["FetchReach", "Reacher"], expert_share=[0.1, 0.1])]}, {}, "twice"),
        (
            {"grids": [Grid(methods=[SMORe()], tasks=["FetchReach", "Reacher"], expert_share=[2.0])]},
            {},
            "expert_share = 2.0",
        ),
    ],
)
def test_bad_sweeps_are_refused(changed: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        sweep(**changed).expand(**arguments)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 3}, "Reacher: the budget has no field 'epochs'; it has: "),
        ({"updates": 0}, "budget: updates = 0 is not valid"),
    ],
)
def test_a_bad_budget_of_one_task_is_refused(changed: dict[str, int], message: str) -> None:
    size = Scale(tasks=["Reacher"], seeds=1, budget=Budget(**BUDGET), per_task={"Reacher": changed})
    with pytest.raises(UserError, match=message):
        sweep(scales={"laptop": size}).expand()


def test_grid_makes_every_combination() -> None:
    configurations = grid(SMORe, beta=[0.5, 0.7], her_ratio=0.8, variant=("paper", "printed"))
    assert configurations == [SMORe(beta=b, variant=v) for b in (0.5, 0.7) for v in ("paper", "printed")]
    assert grid(GoFAR) == [GoFAR()]


def test_grid_refuses_invalid_knobs() -> None:
    with pytest.raises(UserError, match="GoFAR has no field 'beta'; it has: "):
        grid(GoFAR, beta=[0.5])
    with pytest.raises(UserError, match="SMORe: beta = 2 is not valid"):
        grid(SMORe, beta=[0.5, 2])


def test_labels_name_changed_knobs() -> None:
    methods = [SMORe(), SMORe(beta=0.7), SMORe(variant="printed", beta=0.7), GoFAR(hidden=16)]
    assert [method.label for method in methods] == [
        "SMORe",
        "SMORe beta=0.7",
        "SMORe variant=printed beta=0.7",
        "GoFAR hidden=16",
    ]


# --- knobs that depend on task and scale ------------------------------------------------------------------------------


def at_scale(methods: Sequence[Method], *, first_seed: int = 0, **scale: Any) -> list[RunSpec]:
    """Return the runs of a sweep over two tasks at a scale with these fields."""
    tasks = ["FetchReach", "HandReach"]
    size = Scale(tasks=tasks, seeds=1, budget=Budget(**BUDGET), **scale)
    grids = [Grid(methods=methods, tasks=tasks, expert_share=[0.1])]
    sweep = Sweep(name="small", description="", grids=grids, scales={"laptop": size}, first_seed=first_seed)
    return sweep.expand()


def test_a_papers_knobs_by_task_fill_those_that_a_sweep_leaves_at_their_defaults() -> None:
    assert [r.method for r in at_scale([SMORe()])] == [SMORe(expectile=0.8), SMORe(expectile=0.7)]
    assert {r.method for r in at_scale([SMORe(expectile=0.9)])} == {SMORe(expectile=0.9)}
    varied = [r.method for r in at_scale(grid(SMORe, expectile=[0.8, 0.85]))]
    assert varied == [SMORe(expectile=0.8), SMORe(expectile=0.85)] * 2  # 0.8 is the default, but listed in the grid


def test_a_scales_knobs_reach_the_methods_that_have_them() -> None:
    reach = [r.method for r in at_scale([SMORe(), GoFAR(hidden=64)], knobs={"hidden": 32, "beta": 0.7})][:2]
    assert reach == [SMORe(hidden=32, beta=0.7), GoFAR(hidden=64)]
    with pytest.raises(UserError, match="sets the knob 'width', which no method of sweep small has"):
        at_scale([SMORe()], knobs={"width": 32})


def test_tuned_knobs_are_for_one_method_on_one_task_and_precede_the_others() -> None:
    tuned = {("SMORe", "FetchReach"): {"her_ratio": 0.2, "hidden": 16}, ("GCSL", "FetchReach"): {"her_ratio": 0.5}}
    runs = at_scale([SMORe(), SMORe(beta=0.7)], tuned=tuned, knobs={"hidden": 32})
    assert [(r.method.fields()["her_ratio"], r.method.hidden) for r in runs] == [(0.2, 16)] * 2 + [(0.8, 32)] * 2


def test_knobs_from_task_and_scale_are_content_but_not_in_the_name() -> None:
    runs = at_scale([SMORe(), SMORe(beta=0.7)], knobs={"hidden": 32})
    assert {r.title for r in runs if r.task == "HandReach"} == {
        "SMORe · HandReach · 10% · s0",
        "SMORe beta=0.7 · HandReach · 10% · s0",
    }
    assert {r.named.label for r in runs} == {"SMORe", "SMORe beta=0.7"}
    plain = run(method=SMORe(hidden=32, expectile=0.7), task="HandReach")
    assert plain == runs[2]
    assert plain.run_id == runs[2].run_id


def test_seeds_count_from_the_first() -> None:
    assert {r.seed for r in at_scale([SMORe()], first_seed=1_000)} == {1_000}


def test_a_sweep_has_one_task_of_a_name() -> None:
    def grid_of(horizon: int) -> Grid:
        row = Task("TwiceWall", Wall, threshold=0.1, horizon=horizon, expert=walk)
        return Grid(methods=[SMORe()], tasks=[row], expert_share=[0.5])

    def sweep(*grids: Grid) -> Sweep:
        return Sweep(name="twice", description="", grids=grids, scales={})

    with pytest.raises(DeclarationError, match="twice has two different tasks of the name 'TwiceWall'; give one"):
        sweep(grid_of(5), grid_of(6))
    sweep(grid_of(5), grid_of(5))
    sweep(grid_of(6))  # as when a notebook's cell is changed and run again
