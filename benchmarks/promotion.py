"""What the rules for a push do to a chain of retrainings: how often they err, and how far a slow decay gets.

python benchmarks/promotion.py [--chains 40] [--retrainings 200] [--flips 0.0373]

Each chain has 7,600 test rows of its own, some easy and some hard, and models that answer them: whether a model is
right on a row depends on the row and on chance, and two equally good models differ on `--flips` of the rows, as two
trainings of the same network do. Each retraining is compared with the model in production and with the best one ever
pushed by the code that a run uses, `compare` and `judge`, and takes the place of the former if it is blessed. Beside
it, the same chain under the rule that looks at the model in production alone.

Four chains: all retrainings equally good; each week 0.1 points worse than the last; each week 0.1 points better; and in
an equal chain, at every step, a retraining that is 1 point worse.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, optimize, stats

from agnews.components.evaluator.compare import Rival, compare
from agnews.components.evaluator.judge import judge
from agnews.components.evaluator.next_anchor import next_anchor
from agnews.schemas.evaluation import ClassMetrics, Metrics
from agnews.schemas.run_config import EvaluationConfig

ROWS = 7_600
ACCURACY = 0.909
WEEKS = 52
STEP = 0.001
LARGE_LOSS = 0.01


@dataclass(frozen=True)
class World:
    """Rows and models: a row's easiness is standard normal, a model adds noise of its own to it.

    Attributes:
        noise: Standard deviation of that noise.
    """

    noise: float

    def answers(self, easiness: NDArray[np.float64], accuracy: float, random: np.random.Generator) -> NDArray[np.bool_]:
        """Draws where a model with this true accuracy is right."""
        skill = stats.norm.ppf(accuracy) * np.hypot(1.0, self.noise)
        right: NDArray[np.bool_] = skill + easiness + self.noise * random.standard_normal(len(easiness)) > 0
        return right


def world_with(flips: float) -> World:
    """Finds the noise at which two models of the same accuracy differ on a share `flips` of the rows."""

    def share(noise: float) -> float:
        skill = stats.norm.ppf(ACCURACY) * np.hypot(1.0, noise)

        def density(easiness: float) -> float:
            right = stats.norm.cdf((skill + easiness) / noise)
            return float(stats.norm.pdf(easiness) * 2 * right * (1 - right))

        return float(integrate.quad(density, -8, 8, points=[-skill])[0])

    return World(float(optimize.brentq(lambda noise: share(noise) - flips, 0.02, 3.0)))


class Chain:
    """Models that are pushed one after the other.

    Args:
        rules: The section `evaluation`.
        with_anchor: Whether the best model ever pushed is asked too.
    """

    def __init__(self, rules: EvaluationConfig, with_anchor: bool) -> None:
        self._rules, self._with_anchor = rules, with_anchor
        self._version = 0
        self._production: Rival | None = None
        self._anchor: Rival | None = None

    def would_push(self, right: NDArray[np.bool_]) -> bool:
        """Whether a candidate is blessed."""
        found = compare(
            right,
            baseline=self._production,
            anchor=self._anchor if self._with_anchor else None,
            alpha=self._rules.alpha,
            margin=self._rules.margin,
        )
        return judge(
            _metrics(right),
            found.baseline,
            found.anchor,
            min_accuracy=self._rules.min_accuracy,
            min_class_recall=self._rules.min_class_recall,
            min_examples=self._rules.min_examples,
            min_class_examples=self._rules.min_class_examples,
        ).blessed

    def offer(self, right: NDArray[np.bool_]) -> bool:
        """Pushes a candidate if it is blessed, and says whether it was."""
        if not self.would_push(right):
            return False
        self._version += 1
        candidate = Rival(str(self._version), right)
        self._anchor = next_anchor(candidate, baseline=self._production, anchor=self._anchor)
        self._production = candidate
        return True


def _metrics(right: NDArray[np.bool_]) -> Metrics:
    """The figures that `judge` reads, of one class: the floors are not what is simulated."""
    count, hits = len(right), int(right.sum())
    one = ClassMetrics(name="all", precision=1.0, recall=hits / count, f1=1.0, count=count)
    return Metrics(
        count=count, accuracy=hits / count, macro_f1=1.0, ece=0.0, per_class=(one,), confusion_matrix=((hits,),)
    )


@dataclass
class Outcome:
    """What became of one kind of chain: shares held back, and how far the last push is from the first, by chain."""

    held_back: list[float]
    end: list[float]

    def __str__(self) -> str:
        return (
            f"held back {100 * np.mean(self.held_back):5.2f} %   last push {100 * np.mean(self.end):+.2f} points "
            f"(chains from {100 * min(self.end):+.1f} to {100 * max(self.end):+.1f})"
        )


def run_chains(
    world: World, rules: EvaluationConfig, accuracies: Sequence[float], chains: int, with_anchor: bool
) -> Outcome:
    """Walks through chains whose retrainings have these true accuracies."""
    outcome = Outcome([], [])
    for number in range(chains):
        random = np.random.default_rng([1, number])
        easiness = random.standard_normal(ROWS)
        chain = Chain(rules, with_anchor)
        pushed = [chain.offer(world.answers(easiness, accuracy, random)) for accuracy in accuracies]
        outcome.held_back.append(1.0 - float(np.mean(pushed[1:])))
        last = max(place for place, done in enumerate(pushed) if done)
        outcome.end.append(accuracies[last] - accuracies[0])
    return outcome


def large_losses(world: World, rules: EvaluationConfig, retrainings: int, chains: int, with_anchor: bool) -> float:
    """Returns the share of retrainings one point worse that an equal chain would push."""
    through = 0
    for number in range(chains):
        random = np.random.default_rng([2, number])
        easiness = random.standard_normal(ROWS)
        chain = Chain(rules, with_anchor)
        chain.offer(world.answers(easiness, ACCURACY, random))
        for _ in range(retrainings):
            through += chain.would_push(world.answers(easiness, ACCURACY - LARGE_LOSS, random))
            chain.offer(world.answers(easiness, ACCURACY, random))
    return through / (retrainings * chains)


def main() -> None:
    """Prints the figures of both rules and what was to be reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=40)
    parser.add_argument("--retrainings", type=int, default=200)
    parser.add_argument("--flips", type=float, default=0.0373)
    parser.add_argument("--margin", type=float, default=EvaluationConfig().margin)
    options = parser.parse_args()
    world = world_with(options.flips)
    rules = EvaluationConfig(margin=options.margin)
    equal = [ACCURACY] * options.retrainings
    worse = [ACCURACY - STEP * week for week in range(WEEKS + 1)]
    better = [ACCURACY + STEP * week for week in range(WEEKS + 1)]
    print(
        f"{options.chains} chains, {ROWS:,} rows, two models differ on {options.flips:.2%}, margin {options.margin:g}"
    )
    kept = {}
    for name, with_anchor in (("production alone", False), ("with the anchor", True)):
        steady, decay, gain = (
            run_chains(world, rules, accuracies, options.chains, with_anchor) for accuracies in (equal, worse, better)
        )
        through = large_losses(world, rules, options.retrainings, options.chains, with_anchor)
        kept[name] = (steady, decay, gain, through)
        print(f"\n{name}")
        print(f"  equally good             {steady}")
        print(f"  0.1 points a week worse  {decay}")
        print(f"  0.1 points a week better {gain}")
        print(f"  1 point worse            pushed in {100 * through:.2f} %")
    steady, decay, gain, through = kept["with the anchor"]
    reached = {
        "a model 1 point worse is pushed in under 1 %": through < 0.01,
        "an equal one is held back in under 8 %": float(np.mean(steady.held_back)) < 0.08,
        "after 52 weeks of decay less than 0.6 points are lost": float(np.mean(decay.end)) > -0.006,
        "not more than 10 % of better ones are held back": float(np.mean(gain.held_back)) <= 0.10,
    }
    print()
    for goal, done in reached.items():
        print(f"{'reached' if done else 'MISSED '}  {goal}")
    sys.exit(not all(reached.values()))


if __name__ == "__main__":
    main()
