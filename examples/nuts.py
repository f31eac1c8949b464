"""The No-U-Turn sampler, compiled as a whole: eight schools, whose log density and gradient are a kernel.

Hoffman and Gelman, https://arxiv.org/abs/1111.4246, with the multinomial choice of states and the general criterion of
Betancourt, https://arxiv.org/abs/1701.02434. A subtree is built step by step; which earlier states its last one is
compared with is read from the bits of its number.
"""

import numpy as np
from numba import njit

import jit
from examples.driven import interpreted, timed, writing

# Rubin (1981), Estimation in parallel randomized experiments: the effects of coaching, and their standard errors.
EFFECTS = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
TARGET, DEEPEST = 0.8, 10


def log_density(q):
    """That of the mean of the schools, the logarithm of their spread, and their standardised effects."""
    mean, spread, z = q[0], np.exp(q[1]), q[2:]
    prior = -0.5 * (mean / 5) ** 2 - np.log1p((spread / 5) ** 2) + q[1] - 0.5 * np.sum(z**2)
    return prior - 0.5 * np.sum(((EFFECTS - mean - spread * z) / ERRORS) ** 2)


@njit
def leapfrog(f, q, p, g, size):
    """A step of the dynamics, and the log density where it ends."""
    p = p + 0.5 * size * g
    q, g = q + size * p, np.empty_like(g)
    value = f(q, g)
    return q, p + 0.5 * size * g, g, value


@njit
def turns(first, last, total):
    """Whether a trajectory with these momenta at its ends, and of that sum, has begun to turn back."""
    middle = total - 0.5 * (first + last)
    return first @ middle <= 0 or last @ middle <= 0


@njit
def bits(i):
    """How many bits of a number are set."""
    count = 0
    while i:
        i &= i - 1
        count += 1
    return count


@njit
def subtree(f, rng, state, size, depth, start):
    """`2**depth` steps from a state: the last state, the one that is chosen, and what is known of all of them."""
    q, p, g = state
    momenta, sums = np.empty((depth + 1, q.size)), np.empty((depth + 1, q.size))
    chosen, density, total, weight = (q, g), 0.0, np.zeros_like(p), -np.inf
    fine, accepted, steps = True, 0.0, 0
    for i in range(2**depth):
        q, p, g, value = leapfrog(f, q, p, g, size)
        own = value - 0.5 * (p @ p) - start
        steps += 1
        if not own > -1000.0:
            fine = False
            break
        accepted += min(1.0, np.exp(own))
        total += p
        weight = np.logaddexp(weight, own)
        if np.log(rng.random()) < own - weight:
            chosen, density = (q, g), value
        place = bits(i >> 1)
        if i % 2 == 0:
            momenta[place], sums[place] = p, total
            continue
        ones = bits(i & ~(i + 1))
        for k in range(place, place - ones, -1):
            fine = fine and not turns(momenta[k], p, total - sums[k] + momenta[k])
        if not fine:
            break
    return (q, p, g), chosen, density, total, weight, fine, accepted, steps


@njit
def transition(f, rng, q, g, value, size, deepest):
    """The next state of the chain, its log density, and the mean acceptance on the way."""
    p = rng.standard_normal(q.size)
    start = value - 0.5 * (p @ p)
    left = right = (q, p, g)
    total, weight, accepted, steps = p.copy(), 0.0, 0.0, 0
    for depth in range(deepest):
        if rng.random() < 0.5:
            found = subtree(f, rng, right, size, depth, start)
            right = found[0]
        else:
            found = subtree(f, rng, left, -size, depth, start)
            left = found[0]
        accepted += found[6]
        steps += found[7]
        if not found[5]:
            break
        if np.log(rng.random()) < found[4] - weight:
            (q, g), value = found[1], found[2]
        weight = np.logaddexp(weight, found[4])
        total += found[3]
        if turns(left[1], right[1], total):
            break
    return q, g, value, accepted / max(steps, 1), steps


@njit
def sample(f, rng, q, warm_up, draws, target, deepest):
    """A chain and its number of steps; the size of a step is found in the warm-up, by dual averaging (section 3.2)."""
    g = np.empty_like(q)
    value = f(q, g)
    size, best, error, total = 0.1, 0.0, 0.0, 0
    chain = np.empty((draws, q.size))
    for i in range(warm_up + draws):
        q, g, value, accepted, steps = transition(f, rng, q, g, value, size, deepest)
        if i < warm_up:
            share = 1.0 / (i + 11.0)
            error += share * (target - accepted - error)
            logarithm = np.log(1.0) - np.sqrt(i + 1.0) / 0.05 * error
            decay = (i + 1.0) ** -0.75
            best += decay * (logarithm - best)
            size = np.exp(best if i + 1 == warm_up else logarithm)
        else:
            total += steps
            chain[i - warm_up] = q
    return chain, total


def main() -> None:
    fast, q = jit.value_and_grad(log_density), np.zeros(10)
    kernel = fast.kernel(q)
    settings = (q, 1000, 20_000, TARGET, DEEPEST)
    (chain, steps), seconds = timed(lambda: sample(kernel, np.random.default_rng(1), *settings))
    spread = np.exp(chain[:, 1])
    print(f"mean of the schools  {chain[:, 0].mean():.2f} +- {chain[:, 0].std():.2f}")
    print(f"their spread         {spread.mean():.2f} +- {spread.std():.2f}")
    print(f"a draw               {seconds / 21_000 * 1e6:.1f} us, {steps / 20_000:.1f} gradients")
    brief = (q, 50, 50, TARGET, DEEPEST)
    _, seconds = timed(lambda: interpreted(sample)(writing(fast), np.random.default_rng(1), *brief))
    print(f"driven by Python     {seconds / 100 * 1e6:.1f} us")


if __name__ == "__main__":
    main()
