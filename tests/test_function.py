"""`ag.Function`: what its calls give, record and refuse. The expected results are those of PyTorch 2.13."""

import gc
import weakref

import numpy as np
import pytest

import autograd as ag
import jit


class Cube(ag.Function):
    """Keeps its input."""

    @staticmethod
    def forward(ctx, x, scale=1.0):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return scale * x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * ctx.scale * 3 * x**2, None


class Exp(ag.Function):
    """Keeps its output."""

    @staticmethod
    def forward(ctx, x):
        out = ag.exp(x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, g):
        (out,) = ctx.saved_tensors
        return g * out


class SineCosine(ag.Function):
    """Two outputs, both kept, each of them the other's derivative."""

    @staticmethod
    def forward(ctx, x):
        sine, cosine = ag.sin(x), ag.cos(x)
        ctx.save_for_backward(sine, cosine)
        return sine, cosine

    @staticmethod
    def backward(ctx, g, h):
        sine, cosine = ctx.saved_tensors
        return g * cosine - h * sine


class Doubled(ag.Function):
    """A gradient which is not that of the function: it shows that `backward` is what runs."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return 2 * g * y, 2 * g * x


def made(forward, backward):
    """A function of these two."""
    return type("F", (ag.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})


def leaf(*values):
    return ag.tensor(list(values), requires_grad=True)


# ---- calls ----


def test_the_result_is_that_of_forward_and_the_gradient_that_of_backward():
    x = leaf(1.0, 2.0)
    y = Cube.apply(x, 2.0)
    assert repr(y) == "tensor([ 2., 16.], grad_fn=<CubeBackward>)"
    y.sum().backward()
    assert x.grad.tolist() == [6.0, 24.0]
    x, y = leaf(1.0, 2.0), leaf(5.0, 7.0)
    Doubled.apply(x, y).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([10.0, 14.0], [2.0, 4.0])


def test_forward_runs_without_gradients_on_the_tensors_themselves():
    seen = []

    def forward(ctx, x, n):
        seen.append((ctx.needs_input_grad, ag.is_grad_enabled(), x.requires_grad, ctx.saved_tensors))
        return x * n

    def backward(ctx, g):
        seen.append((ctx.needs_input_grad, ag.is_grad_enabled(), g.requires_grad))
        return g * 3, None

    y = made(forward, backward).apply(leaf(1.0, 2.0), 3)
    y.sum().backward()
    assert seen == [((True, False), False, True, ()), ((True, False), False, False)]


def test_what_needs_no_gradient_is_connected_with_nothing():
    x = leaf(1.0)
    with ag.no_grad():
        assert not Cube.apply(x).requires_grad
    assert not Cube.apply(ag.tensor(1.0)).requires_grad
    assert made(lambda ctx, n: n + 1, None).apply(2) == 3
    assert not made(lambda ctx, x: ag.argmax(x), None).apply(x).requires_grad


def test_an_input_that_is_returned_becomes_a_result_of_the_call():
    x = leaf(1.0, 2.0)
    y = made(lambda ctx, x: x, lambda ctx, g: g * 5).apply(x)
    assert y is not x
    assert y.grad_fn.name == "FBackward"
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]


def test_outputs_that_are_no_tensors_pass_through():
    x = leaf(1.0, 2.0)
    seen = []
    y, n, text = made(lambda ctx, x: (x * 2, 3, "a"), lambda ctx, *gs: seen.append(gs[1:]) or gs[0]).apply(x)
    assert (y.tolist(), n, text) == ([2.0, 4.0], 3, "a")
    y.sum().backward()
    assert seen == [(None, None)]


def test_the_context_can_be_set_up_apart():
    class Apart(ag.Function):
        @staticmethod
        def forward(x):
            return x**3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs, None, output)

        @staticmethod
        def backward(ctx, g):
            x, none, out = ctx.saved_tensors
            assert none is None
            return g * 3 * out / x

    x = leaf(1.0, 2.0)
    Apart.apply(x).sum().backward()
    assert x.grad.tolist() == [3.0, 12.0]
    np.testing.assert_allclose(jit.grad(lambda x: Apart.apply(x).sum())(np.array([1.0, 2.0])), [3.0, 12.0])


def test_gradients_are_summed_to_the_shape_and_dtype_of_the_input():
    x = ag.tensor(np.ones(2, np.float32), requires_grad=True)
    made(lambda ctx, x: x * 2, lambda ctx, g: np.ones((3, 2))).apply(x).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    assert x.grad.dtype == np.float32


def test_a_gradient_that_is_kept_elsewhere_is_not_written_to():
    x, kept = leaf(1.0, 2.0), ag.tensor([3.0, 4.0])
    F = made(lambda ctx, x: x * 2, lambda ctx, g: kept)
    for create_graph in (False, True):
        x.grad = None
        for _ in range(2):
            F.apply(x).sum().backward(create_graph=create_graph)
        assert x.grad.tolist() == [6.0, 8.0]
        assert kept.tolist() == [3.0, 4.0]
        assert not np.shares_memory(x.grad.data, kept.data)


# ---- several outputs ----


def test_outputs_that_nothing_depends_on_have_a_gradient_of_zeros():
    seen = []

    def backward(ctx, *gs):
        seen.append([None if g is None else g.tolist() for g in gs])
        return gs[0]

    x = leaf(1.0, 2.0)
    a, b = made(lambda ctx, x: (x * 2, x * 3), backward).apply(x)
    assert a.requires_grad
    assert b.requires_grad
    a.sum().backward()
    a, _ = made(lambda ctx, x: ctx.set_materialize_grads(False) or (x * 2, x * 3), backward).apply(x)
    a.sum().backward()
    assert seen == [[[1.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], None]]


def test_backward_runs_once_for_all_outputs():
    x = leaf(0.5, 1.0)
    sine, cosine = SineCosine.apply(x)
    (3 * sine + cosine * sine).sum().backward()
    s, c = np.sin([0.5, 1.0]), np.cos([0.5, 1.0])
    np.testing.assert_allclose(x.grad.numpy(), 3 * c + c * c - s * s, rtol=1e-14)


def test_marked_outputs_have_no_gradient():
    def forward(ctx, x):
        a, b = x * 2, x * 3
        ctx.mark_non_differentiable(b)
        return a, b

    seen = []
    x = leaf(1.0, 2.0)
    a, b = made(forward, lambda ctx, *gs: seen.append([g.tolist() for g in gs]) or gs[0]).apply(x)
    assert a.requires_grad
    assert not b.requires_grad
    a.sum().backward()
    assert seen == [[[1.0, 1.0], [0.0, 0.0]]]


# ---- higher order ----


@pytest.mark.parametrize(
    ("f", "third"),
    [
        (lambda x: Cube.apply(x), lambda x: 6.0),
        (lambda x: Exp.apply(x), np.exp),
        (lambda x: SineCosine.apply(x)[0], lambda x: -np.cos(x)),
        (lambda x: SineCosine.apply(x)[1], np.sin),
    ],
)
def test_three_orders_eager_and_compiled(f, third):
    derivative = ag.grad(ag.grad(ag.grad(f)))
    assert derivative(0.7) == pytest.approx(third(0.7), rel=1e-13)
    assert jit.grad(jit.grad(jit.grad(f)))(0.7) == pytest.approx(third(0.7), rel=1e-13)
    ag.gradgradcheck(lambda x: f(x).sum(), [leaf(0.4, 1.2)])


def test_an_output_that_backward_reads_is_the_output_itself():
    x = leaf(0.5)
    y = Exp.apply(x)
    (g,) = ag.grad(y.sum(), x, create_graph=True)
    assert ag.grad(g.sum(), y)[0].tolist() == [1.0]
    sine, cosine = SineCosine.apply(x)
    (g,) = ag.grad(cosine.sum(), x, create_graph=True)
    assert ag.grad(g.sum(), sine, retain_graph=True)[0].tolist() == [-1.0]
    with pytest.raises(RuntimeError, match="do not depend on input 0"):
        ag.grad(g.sum(), SineCosine.apply(x)[0])


class Once(ag.Function):
    """A derivative by NumPy."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return ag.tensor(np.sin(x.detach().numpy()))

    @staticmethod
    @ag.once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * np.cos(x.detach().numpy())


def test_once_differentiable_says_so_the_second_time():
    x = leaf(0.5, 1.0)
    (g,) = ag.grad(Once.apply(x).sum(), x, create_graph=True)
    np.testing.assert_allclose(g.tolist(), np.cos([0.5, 1.0]))
    assert not g.requires_grad
    (g,) = ag.grad((Once.apply(x) ** 2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice a function that was marked with @once_differentiable"):
        g.sum().backward()


def test_what_was_saved_is_what_forward_saw():
    for create_graph in (False, True):
        x = leaf(1.0, 2.0)
        y = Cube.apply(x)
        x.data = np.array([10.0, 20.0])
        assert ag.grad(y.sum(), x, create_graph=create_graph)[0].tolist() == [3.0, 12.0]
    x = leaf(1.0, 2.0)
    z = x * 1.0
    y = Cube.apply(z)
    z.detach_()
    (g,) = ag.grad(y.sum(), x, create_graph=True)
    assert ag.grad(g.sum(), x)[0].tolist() == [6.0, 12.0]


# ---- errors ----

ERRORS = [
    (lambda ctx, g: (g, g), "FBackward returned an incorrect number of gradients .expected 1, got 2"),
    (lambda ctx, g: (), "FBackward returned an incorrect number of gradients .expected 1, got 0"),
    (lambda ctx, g: ag.ones(3), r"invalid gradient at index 0 - got float64 of shape \(3,\) but .* \(2,\)"),
    (lambda ctx, g: g.sum(), r"invalid gradient at index 0 - got float64 of shape \(\) but .* \(2,\)"),
    (lambda ctx, g: "g", r"invalid gradient at index 0 - got str"),
]


@pytest.mark.parametrize(("backward", "words"), ERRORS)
def test_what_backward_may_not_return(backward, words):
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=words):
        made(lambda ctx, x: x * 2, backward).apply(x).sum().backward()


def test_errors_of_calls():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"different than None at position 2, but .* was not a tensor"):
        made(lambda ctx, x, n: x * n, lambda ctx, g: (g, g)).apply(x, 2).sum().backward()
    with pytest.raises(TypeError, match="save_for_backward can only save variables, but argument 1 is of type int"):
        made(lambda ctx, x: ctx.save_for_backward(x, 1), None).apply(x)
    with pytest.raises(NotImplementedError, match="You must implement the forward function"):
        ag.Function.apply(x)
    with pytest.raises(NotImplementedError, match="You must implement the backward method"):
        type("F", (ag.Function,), {"forward": staticmethod(lambda ctx, x: x * 1)}).apply(x).sum().backward()
    with pytest.raises(RuntimeError, match=r"called by its class: `Cube.apply\(x\)`"):
        Cube()(x)
    y = Cube.apply(x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="swept already and its saved values are freed"):
        y.backward()


def test_a_graph_that_is_retained_can_be_swept_again():
    x = leaf(1.0, 2.0)
    y = Cube.apply(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [6.0, 24.0]


# ---- memory ----


@pytest.mark.parametrize("function", [Cube, Exp, SineCosine])
def test_dropped_results_are_freed_at_once(function):
    gc.disable()
    try:
        x = ag.tensor(np.ones(1000), requires_grad=True)
        out = function.apply(x)
        out = out[0] if isinstance(out, tuple) else out
        node, data = weakref.ref(out.grad_fn), weakref.ref(out.data)
        del out
        assert node() is None
        assert data() is None
    finally:
        gc.enable()


def test_a_sweep_frees_what_was_saved():
    x = ag.tensor(np.ones(1000), requires_grad=True)
    out = Exp.apply(x)
    data, y = weakref.ref(out.data), out.sum()
    del out
    assert data() is not None
    y.backward()
    assert data() is None


# ---- compiled ----


def test_compiled_functions_use_the_rule_of_backward():
    def loss(x, y):
        return (Doubled.apply(x, ag.sin(y)) ** 2).sum()

    x, y = np.array([0.3, 0.9]), np.array([1.2, -0.4])
    gx, gy = jit.grad(loss, (0, 1))(x, y)
    ex, ey = ag.grad(loss, (0, 1))(x, y)
    np.testing.assert_allclose(ex, 4 * x * np.sin(y) ** 2, rtol=1e-13)
    np.testing.assert_allclose(gx, ex, rtol=1e-13)
    np.testing.assert_allclose(gy, ey, rtol=1e-13)
    names = {e.primitive.name for e in jit.grad(loss).graph(x, y).equations}
    assert not names & {"function_call", "function_output"}


@pytest.mark.parametrize(
    "function", [lambda x: Cube.apply(x), lambda x: Exp.apply(x), lambda x: SineCosine.apply(x)[1]]
)
def test_arrays_that_a_recording_does_not_compute(function):
    x = np.linspace(-1, 1, 20_000)
    loss = jit.grad(lambda x: (function(ag.tanh(x)) * x).sum())
    np.testing.assert_allclose(loss(x), ag.grad(lambda x: (function(ag.tanh(x)) * x).sum())(x), rtol=1e-10, atol=1e-12)


def test_other_values_and_other_branches_of_a_compiled_function():
    fast = jit.grad(lambda x: SineCosine.apply(x)[0] * Exp.apply(x) if x > 0 else Cube.apply(x))
    for value in (0.5, 1.5, -2.0, 0.25):
        slow = np.exp(value) * (np.sin(value) + np.cos(value)) if value > 0 else 3 * value**2
        assert fast(value) == pytest.approx(slow, rel=1e-13)


@pytest.mark.parametrize(
    "function", [lambda x: Cube.apply(x), lambda x: Exp.apply(x), lambda x: SineCosine.apply(x)[1]]
)
def test_a_compiled_call_inside_an_eager_graph_is_differentiated_by_the_rule(function):
    compiled = jit.compile(function)
    for value in (0.5, 0.8):
        x, y = leaf(value), leaf(value)
        (g,) = ag.grad(ag.sin(compiled(x)).sum(), x, create_graph=True)
        (e,) = ag.grad(ag.sin(function(y)).sum(), y, create_graph=True)
        np.testing.assert_allclose(g.tolist(), e.tolist(), rtol=1e-13)
        np.testing.assert_allclose(ag.grad(g.sum(), x)[0].tolist(), ag.grad(e.sum(), y)[0].tolist(), rtol=1e-13)


def test_the_rule_is_used_where_a_recorded_function_is_differentiated_later():
    twice = jit.compile(lambda x, y: Doubled.apply(x, y).sum())
    x, y = leaf(1.0, 2.0), leaf(5.0, 7.0)
    twice(x, y).backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([10.0, 14.0], [2.0, 4.0])


def test_what_is_made_between_is_a_constant_to_backward():
    def forward(ctx, x):
        square = x * x
        ctx.save_for_backward(square)
        return square * x

    F = made(forward, lambda ctx, g: g * 3 * ctx.saved_tensors[0])
    for derivative in (ag.grad(ag.grad(lambda x: F.apply(x) * x)), jit.grad(jit.grad(lambda x: F.apply(x) * x))):
        # Of the 12 x**2 of x**4, half comes from the derivative of the saved square, which is not seen.
        assert derivative(2.0) == pytest.approx(24.0)


def test_a_tape_that_is_recorded_by_hand():
    x = leaf(1.0, 2.0)
    with ag.record() as tape:
        y = Cube.apply(x).sum()
        (g,) = ag.grad(y, x)
    run = jit.compile(tape, inputs=[x], outputs=[y, g])
    value, slope = run(np.array([2.0, 3.0]))
    assert value == pytest.approx(35.0)
    np.testing.assert_allclose(slope, [12.0, 27.0])


def test_a_recording_refuses_what_it_cannot_follow():
    x = np.array([1.0, 2.0])
    with pytest.raises(RuntimeError, match="freeze the values of this call into the recording"):
        jit.grad(lambda x: Once.apply(x).sum())(x)
    outside = made(lambda ctx, x: ag.tensor(np.sin(x.data)), lambda ctx, g: g)
    with pytest.raises(RuntimeError, match="`F`: output 0 of `forward` was computed outside of the recording"):
        jit.grad(lambda x: outside.apply(x).sum())(x)
    array = made(lambda ctx, x: np.sin(x.data), lambda ctx, g: g)
    with pytest.raises(RuntimeError, match=r"or give the function of arrays to `autograd.custom`"):
        jit.compile(lambda x: array.apply(x))(x)

    def attribute(ctx, x):
        ctx.x = [x]
        return x * 2

    with pytest.raises(RuntimeError, match=r"`F`: `ctx.x` holds a tensor, .* keep it with `ctx.save_for_backward`"):
        jit.grad(lambda x: made(attribute, lambda ctx, g: g).apply(x).sum())(x)


def test_forward_mode_follows_backward():
    class Squared(ag.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 * x

    class Once(Squared):
        backward = staticmethod(ag.once_differentiable(Squared.backward))

    value, tangent = ag.jvp(Squared.apply, (np.array(2.0),), (np.array(3.0),))
    assert (float(value), float(tangent)) == (4, 12)
    np.testing.assert_array_equal(ag.jacfwd(Squared.apply)(np.array([1.0, 2.0])), [[2, 0], [0, 4]])
    with pytest.raises(RuntimeError, match="once_differentiable"):
        ag.jvp(Once.apply, (np.array(2.0),), (np.array(3.0),))


class Product(ag.Function):
    """Two outputs, x * y * n and sin(x), with a rule in each direction."""

    @staticmethod
    def forward(ctx, x, y, n):
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(x, y)
        ctx.n = n
        return x * y * n, ag.sin(x)

    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        return g * y * ctx.n + h * ag.cos(x), g * x * ctx.n, None

    @staticmethod
    def jvp(ctx, vx, vy, vn):
        x, y = ctx.saved_tensors
        assert vn is None
        vx, vy = (ag.zeros(3) if v is None else v for v in (vx, vy))
        return (vx * y + x * vy) * ctx.n, vx * ag.cos(x)


class OnceProduct(Product):
    backward = staticmethod(ag.once_differentiable(Product.backward))


def multiplied(function):
    def f(x, y):
        a, b = function.apply(ag.as_tensor(x), ag.as_tensor(y), 2.0)
        return a * b

    return f


POINT = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.2, -0.3])
TANGENTS = np.array([1.0, -1.0, 0.5]), np.array([0.1, 0.2, 0.3])


def known(x, y):
    return x * y * 2.0 * ag.sin(x)


@pytest.mark.parametrize("function", [Product, OnceProduct])
def test_forward_mode_is_the_jvp_of_a_function(function):
    f = multiplied(function)
    expected = ag.jvp(known, POINT, TANGENTS)
    for found in (ag.jvp(f, POINT, TANGENTS), jit.jvp(f)(POINT, TANGENTS)):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(ag.jacfwd(f)(*POINT), ag.jacfwd(known)(*POINT), rtol=1e-12)


def test_derivatives_of_a_function_with_a_jvp_in_both_directions():
    def squares(f):
        return lambda x: ag.sum(f(x, POINT[1]) ** 2)

    def tangents(f):
        return lambda x: ag.sum(ag.jvp(lambda x: f(x, POINT[1]), (x,), TANGENTS[:1])[1] ** 2)

    f, (x, _) = multiplied(Product), POINT
    for package in (ag, jit):
        np.testing.assert_allclose(package.grad(squares(f))(x), ag.grad(squares(known))(x), rtol=1e-12)
        np.testing.assert_allclose(package.hessian(squares(f))(x), ag.hessian(squares(known))(x), rtol=1e-12)
        np.testing.assert_allclose(package.grad(tangents(f))(x), ag.grad(tangents(known))(x), rtol=1e-12)


def test_forward_mode_takes_the_jvp_and_not_the_backward():
    class Doubled(Product):
        @staticmethod
        def jvp(ctx, *tangents):
            return tuple(2 * v for v in Product.jvp(ctx, *tangents))

    class Missing(Product):
        @staticmethod
        def jvp(ctx, *tangents):
            return Product.jvp(ctx, *tangents)[0]

    _, expected = ag.jvp(known, POINT, TANGENTS)
    np.testing.assert_allclose(ag.jvp(multiplied(Doubled), POINT, TANGENTS)[1], 2 * expected, rtol=1e-12)
    with pytest.raises(RuntimeError, match=r"`jvp` of the function Missing .* \(expected 2, got 1\)"):
        ag.jvp(multiplied(Missing), POINT, TANGENTS)
