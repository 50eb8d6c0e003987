"""What one declares of a task: its environment, its goals, and where its data come from.

A task of your own is an object in your sweep file, listed in a :class:`~smore_sweep.spec.Grid`. Environments are
imported when one is made.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from smore_sweep.errors import DeclarationError, first_line
from smore_sweep.goal_environment import check_pixels, check_resets, check_success, read_sizes
from smore_sweep.seeding import episode_seed

if TYPE_CHECKING:
    import gymnasium
    from gymnasium.envs.registration import EnvSpec
    from numpy.typing import NDArray

    Observation: TypeAlias = dict[str, NDArray[Any]]
    Policy: TypeAlias = Callable[[Observation], NDArray[Any]]
    Environment: TypeAlias = gymnasium.Env[Any, Any]
    Trajectories: TypeAlias = Callable[[str, int, int], tuple[NDArray[Any], NDArray[Any]]]
    Success: TypeAlias = Callable[[NDArray[Any], NDArray[Any]], Any]

ENVIRONMENT = "environment"
"""Success by the environment's own test."""
METRICS = ("return99", "return98", "return999", "success", "final_distance", "ever")
"""What an evaluation is summarised by (:class:`smore_sweep.results.outcomes.Outcomes`)."""


@dataclass(frozen=True)
class Sizes:
    """Dimensions of a task's observation, goal and action vectors.

    Attributes:
        image: Height, width and channels, if observations and goals are images: vectors of uint8 of that many pixels.
    """

    observation: int
    goal: int
    action: int
    image: tuple[int, ...] = field(default=(), repr=False)

    @property
    def dtype(self) -> str:
        """NumPy's type of an observation and a goal."""
        return "uint8" if self.image else "float32"


@dataclass(frozen=True)
class Task:
    """A goal-conditioned task.

    The sparse reward is ``-1[|achieved - desired| > threshold]``, success is ``|achieved - desired| <
    success_tolerance`` (Euclidean norm, in the goal's units), or the task's own. Policies are functions of one
    observation.

    The environment is a Gymnasium goal environment: its observation is a dictionary of the vectors ``observation``,
    ``achieved_goal`` and ``desired_goal``, its actions are in [-1, 1]. Sizes and horizon are read off it unless given.

    Attributes:
        name: The name in sweeps and tables.
        environment: A Gymnasium id, or a function that builds the environment and takes its options, such as
            ``render_mode``.
        sizes: Sizes of observations, goals and actions; needed only where they are images.
        threshold: Distance up to which the goal counts as reached.
        expert: Expert policy, a function or ``module:function``; empty if there is none. Its data are then imported.
        step_milliseconds: Rough time of an environment step on one core, for estimates only.
        horizon: Steps per episode. In the data, an episode that ends earlier stays in its last state for the rest. In
            an evaluation its last distance holds, and no later step counts as at the goal or as a success.
        success_threshold: Distance below which an episode succeeds; None for ``threshold``.
        success: The task's own test of success instead of a distance: a function of achieved and desired goals
            ``[..., g]`` that returns booleans ``[...]``, or "environment" for the steps' ``info["success"]``.
        goals: Number of evaluation goals, which take turns: episode ``i`` is reset with
            ``options={"goal": i % goals}``. At 0 an episode's seed decides.
        goal_names: Their names in figures; without them they are numbered from 1.
        dataset: Name of a dataset of its own, instead of the pools of an expert and another policy.
        trajectories: Maker of an episode of that dataset, a function or ``module:function`` of (environment's id,
            seed, steps) that returns observations ``[T + 1, o]`` and actions ``[T, a]``. Goals are whole observations.
        data_steps: Steps of such an episode; None for ``horizon``.
        data_of: Name of the task whose pools or dataset are this one's too; empty if it has its own. Sizes and the
            names of pools are the same.
        last_evaluations: Number of evaluations at a run's end whose mean is its result.
        headline: Metric by which methods are compared, such as "success", or "ever" for success at any step, which is
            the one for an environment that ends at its goal. Empty for a return, or for success where the environment
            says it or goals are images.
        suboptimal: Policy whose episodes the data mix with the expert's.
        medium: Medium policy, a function or ``module:function``; empty if there is none.
        expert_noise: Standard deviation of the Gaussian noise on the expert's actions in the data, for diversity (the
            WGCSL data are noisy too).

    Raises:
        DeclarationError: If the environment cannot be made or is not such a goal environment, or a number is wrong.
    """

    name: str
    environment: str | EnvSpec | Callable[..., Environment]
    sizes: Sizes = None  # type: ignore[assignment]  # read off the environment
    _: KW_ONLY
    threshold: float
    expert: Policy | str = ""
    step_milliseconds: float = 1.0
    horizon: int = None  # type: ignore[assignment]  # read off the environment
    success_threshold: float | None = None
    success: Success | str | None = None
    suboptimal: str = "random"
    medium: Policy | str = ""
    expert_noise: float = 0.2
    goals: int = 0
    goal_names: tuple[str, ...] = ()
    dataset: str = ""
    trajectories: Trajectories | str = ""
    data_steps: int | None = None
    data_of: str = ""
    last_evaluations: int = 1
    headline: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]*", self.name):
            raise DeclarationError(f"task name {self.name!r} is not valid; use letters, digits, '.', '_' and '-'")
        if not self.threshold > 0:
            raise DeclarationError(f"{self.name}: threshold = {self.threshold!r} is not valid; it must be above 0")
        if isinstance(self.success, str) and self.success != ENVIRONMENT:
            raise DeclarationError(
                f"{self.name}: success = {self.success!r} is not valid; it must be a function or {ENVIRONMENT!r}"
            )
        if self.headline and self.headline not in METRICS:
            raise DeclarationError(
                f"{self.name}: headline = {self.headline!r} is not valid; it must be one of {', '.join(METRICS)}"
            )
        if not shipped(self.environment):
            self._read_environment()

    def _read_environment(self) -> None:
        """Check the environment, and read off it what is not declared."""
        import gymnasium

        if isinstance(self.environment, str):
            try:  # the specification reaches workers, on which the sweep file has registered nothing
                object.__setattr__(self, "environment", gymnasium.spec(self.environment))
            except gymnasium.error.Error as error:
                raise DeclarationError(f"{self.name}: {first_line(error)}") from None
        elif not callable(self.environment):
            raise DeclarationError(
                f"{self.name}: environment = {self.environment!r} is not valid; "
                "it must be a Gymnasium id or a function that builds one"
            )
        env = self.make()
        try:
            # A vector does not tell an image's form, so that is declared.
            sizes = Sizes(*read_sizes(self.name, env), image=self.sizes.image if self.sizes else ())
            check_resets(self.name, env)
            if self.success == ENVIRONMENT:
                check_success(self.name, env)
            limit = env.spec.max_episode_steps if env.spec else None
        finally:
            env.close()
        if self.sizes not in (None, sizes):
            raise DeclarationError(f"{self.name}: sizes = {self.sizes} is not valid; its environment has {sizes}")
        if sizes.image and not sizes.observation == sizes.goal == math.prod(sizes.image):
            raise DeclarationError(
                f"{self.name}: image = {sizes.image!r} is not valid; observations have {sizes.observation} numbers and "
                f"goals {sizes.goal}, and an image {math.prod(sizes.image)}"
            )
        if sizes.image:
            check_pixels(self.name, env)
        object.__setattr__(self, "sizes", sizes)
        horizon: object = limit if self.horizon is None else self.horizon
        if horizon is None:
            raise DeclarationError(f"{self.name}: its environment has no time limit; give horizon=, steps per episode")
        if not isinstance(horizon, int) or horizon < 1:
            raise DeclarationError(
                f"{self.name}: horizon = {horizon!r} is not valid; it must be a whole number of at least 1"
            )
        object.__setattr__(self, "horizon", horizon)

    def __hash__(self) -> int:
        return hash(self.name)  # Gymnasium's registration of an environment has no hash

    @property
    def success_tolerance(self) -> float:
        """Distance below which an episode succeeds."""
        return self.threshold if self.success_threshold is None else self.success_threshold

    def succeeded(self, achieved: NDArray[Any], desired: NDArray[Any], distance: Any) -> Any:
        """Return whether achieved goals ``[..., g]`` at a ``distance`` ``[...]`` from desired ones are a success."""
        return self.success(achieved, desired) if callable(self.success) else distance < self.success_tolerance

    def step_succeeded(self, observation: Observation, distance: float, info: Mapping[str, Any]) -> bool:
        """Return whether a step's observation, at a ``distance`` from its goal, is a success."""
        if self.success == ENVIRONMENT:
            return bool(info["success"])
        return bool(self.succeeded(observation["achieved_goal"], observation["desired_goal"], distance))

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools of episodes that make up the task's data, by the expert and another policy, or its own dataset."""
        return (self.dataset,) if self.dataset else ("expert", self.suboptimal)

    def reset(self, env: Environment, episode: int, purpose: str = "evaluation") -> Observation:
        """Start an episode of a purpose by its number; return the first observation."""
        options = {"goal": episode % self.goals} if self.goals else None
        observation, _ = env.reset(seed=episode_seed(purpose, self.name, episode), options=options)
        return observation  # type: ignore[no-any-return]

    def make(self, **options: Any) -> Environment:
        """Build the Gymnasium goal environment with its own options, such as ``render_mode``."""
        import gymnasium

        if isinstance(self.environment, str):
            import smore_sweep.envs  # noqa: F401  registers the ids
        elif callable(self.environment):
            try:
                return self.environment(**options)
            except Exception as error:
                raise DeclarationError(
                    f"{self.name}: its environment cannot be made: {type(error).__name__}: {first_line(error)}"
                ) from error
        return gymnasium.make(self.environment, max_episode_steps=self.horizon, **options)

    def environment_spec(self) -> EnvSpec | None:
        """Return the environment's registration with Gymnasium, if it has one."""
        import gymnasium

        if not isinstance(self.environment, str):
            return None if callable(self.environment) else self.environment
        import smore_sweep.envs  # noqa: F401  registers the ids

        return gymnasium.spec(self.environment)

    def maker(self, pool: str) -> Any:
        """Return a pool's policy or maker of trajectories as declared; empty for the uniform-random one or none."""
        return {"expert": self.expert, "medium": self.medium, self.dataset: self.trajectories}.get(pool, "")

    def source_of(self, pool: str) -> str:
        """Return what :meth:`maker` does as ``module:function``."""
        return _source(self.maker(pool))

    @property
    def environment_name(self) -> str:
        """The environment's id or, where a function builds it, that as ``module:function``."""
        return str(getattr(self.environment, "id", None) or _source(self.environment))

    def check_maker(self, pool: str) -> None:
        """Raise :class:`DeclarationError` if episodes of a pool cannot be made here."""
        if pool != self.dataset:
            self.policy(pool)
        elif not self.trajectories:
            raise DeclarationError(
                f"the dataset {self.name} cannot be made here; import its file: smore-sweep data import ogbench "
                f"{self.name}-v0.npz, then run with --source ogbench"
            )

    def make_trajectory(self, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Make an episode of the task's own dataset: observations ``[T + 1, o]`` and actions ``[T, a]``."""
        function: Any = self.trajectories
        if isinstance(function, str):
            function = load_function(function)
        name = self.environment if isinstance(self.environment, str) else getattr(self.environment, "id", self.name)
        states, actions = function(str(name).removeprefix("smore/"), seed, self.data_steps or self.horizon)
        if self.sizes.image and states.dtype != self.sizes.dtype:
            raise DeclarationError(
                f"{self.name}: {self.source_of(self.dataset)} gives images of {states.dtype}; they must be of uint8"
            )
        return states, actions

    def policy(self, name: str) -> Policy | None:
        """Return a policy by name: a function from one observation to one action, or None for the uniform-random one.

        Raises:
            DeclarationError: For an unknown name.
        """
        own = {} if self.dataset else {"expert": self.expert, self.suboptimal: self.medium}
        policies = {**own, "random": ""}
        if name not in policies:
            raise DeclarationError(f"{self.name} has no policy {name!r}; it has: {', '.join(policies)}")
        if name == "random":
            return None
        policy = policies[name]
        if not policy:
            raise DeclarationError(
                f"{self.name} has no {name} policy to roll out; declare {name}= or import episodes: "
                "smore-sweep data import npz --help"
            )
        return load_function(policy) if isinstance(policy, str) else policy

    @cached_property
    def content(self) -> dict[str, Any]:
        """What the declaration says of the task's meaning, as plain JSON types; nothing for a task that ships."""
        if shipped(self.environment):
            return {}
        return {
            "sizes": [self.sizes.observation, self.sizes.goal, self.sizes.action],
            **({"image": list(self.sizes.image)} if self.sizes.image else {}),
            "threshold": float(self.threshold),
            "horizon": self.horizon,
            "suboptimal": self.suboptimal,
            "expert_noise": float(self.expert_noise),
            **({} if self.success_threshold is None else {"success_threshold": float(self.success_threshold)}),
            **({"goals": self.goals} if self.goals else {}),
            **({"success": self.success} if isinstance(self.success, str) else {}),
            **({"dataset": self.dataset, "data_steps": self.data_steps} if self.dataset else {}),
            **({"data_of": self.data_of} if self.data_of else {}),
        }


def _source(function: Any) -> str:
    """Return a function as ``module:function``, in which form it may be already."""
    if isinstance(function, str):
        return function
    return f"{function.__module__}:{getattr(function, '__qualname__', type(function).__qualname__)}"


def load_function(path: str) -> Any:
    """Import ``module:function``.

    Raises:
        DeclarationError: If there is no such module, or it has no such function.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise DeclarationError(
            f"{path!r} cannot be imported: {first_line(error)}; give a function, or module:function"
        ) from None


def shipped(environment: object) -> bool:
    """Return whether an environment is the package's own."""
    return isinstance(environment, str) and environment.startswith("smore/")
