"""Writes in place, as in PyTorch: values and gradients, views, shared memory, and what is refused."""

import numpy as np
import pytest

import autograd as ag
import jit


def leaf(*values):
    return ag.tensor(list(values), requires_grad=True)


def gradient(x, y):
    (g,) = ag.grad(y, x, retain_graph=True)
    return g.tolist()


# ---- the methods, each as what it is without a write ----

MASK = np.array([[True, False, True], [False, False, True]])
V = np.array([0.5, -1.0, 2.0])


def put(x, key, value):
    return ag.index_put(x, key, value)


def assigned(key):
    def f(x, v):
        x[key] = v
        return x

    return f


def augmented(x, v):
    x += v
    x[0] *= v
    x[:, 1:] -= x[:, :-1] * 2
    x /= v + 4
    return x


def augmented_without(x, v):
    x = x + v
    x = put(x, 0, x[0] * v)
    x = put(x, (slice(None), slice(1, None)), x[:, 1:] - x[:, :-1] * 2)
    return x / (v + 4)


WRITES = {
    "row": (assigned(0), lambda x, v: put(x, 0, v)),
    "column by a number": (assigned((slice(None), 1)), lambda x, v: put(x, (slice(None), 1), v[0]), lambda v: v[0]),
    "element": (assigned((1, -1)), lambda x, v: put(x, (1, -1), v[0] * v[1]), lambda v: v[0] * v[1]),
    "slices": (assigned((slice(None), slice(None, None, -1))), lambda x, v: put(x, slice(None), v[::-1])),
    "all": (assigned(...), lambda x, v: ag.broadcast_to(v, (2, 3)) + 0 * x),
    "rows by an array": (assigned(np.array([1, 1])), lambda x, v: put(x, 1, v)),
    "mask": (assigned(MASK), lambda x, v: put(x, MASK, v)),
    "mask by a number": (assigned(MASK), lambda x, v: ag.where(MASK, v[0], x), lambda v: v[0]),
    "infix": (augmented, augmented_without),
    "power": (lambda x, v: x.__ipow__(2), lambda x, v: x**2),
    "add_": (lambda x, v: x.add_(v, alpha=3), lambda x, v: x + 3 * v),
    "sub_": (lambda x, v: x.sub_(v), lambda x, v: x - v),
    "mul_": (lambda x, v: x.mul_(v).mul_(x), lambda x, v: (x * v) ** 2),
    "div_": (lambda x, v: x.div_(v), lambda x, v: x / v),
    "chain": (lambda x, v: x.sin_().exp_().tanh_().neg_(), lambda x, v: -np.tanh(np.exp(np.sin(x)))),
    "roots": (lambda x, v: x.square_().add_(1).sqrt_().log_(), lambda x, v: np.log(np.sqrt(x**2 + 1))),
    "clamp_": (lambda x, v: x.clamp_(-0.5, 0.5), lambda x, v: ag.clip(x, -0.5, 0.5)),
    "fill_": (lambda x, v: x.fill_(v.sum()), lambda x, v: v.sum() + 0 * x),
    "zero_": (lambda x, v: x.zero_().add_(v), lambda x, v: v + 0 * x),
    "copy_": (lambda x, v: x.copy_(v * v), lambda x, v: v * v + 0 * x),
    "masked_fill_": (lambda x, v: x.masked_fill_(MASK, v[1]), lambda x, v: ag.where(MASK, v[1], x)),
    "index_add_": (
        lambda x, v: x.index_add_(1, [0, 0, 2], v * ag.ones(2, 1)),
        lambda x, v: ag.index_add(x, 1, [0, 0, 2], v * np.ones((2, 1))),
    ),
    "scatter_add_": (
        lambda x, v: x.scatter_add_(0, [[0, 1, 1]], v[None]),
        lambda x, v: ag.scatter_add(x, 0, [[0, 1, 1]], v[None]),
    ),
    "index_put_": (lambda x, v: x.index_put_(1, v), lambda x, v: put(x, 1, v)),
    "view of a view": (lambda x, v: x.T[1:].T[0].mul_(v[1:]) + x[:, 1:], None),
    "reshaped": (lambda x, v: x.reshape(3, 2)[1].add_(v[:2]) + x.ravel()[:2], None),
}


def reference(name):
    if name == "view of a view":
        return lambda x, v: (x[0, 1:] * v[1:]) + put(x, (0, slice(1, None)), x[0, 1:] * v[1:])[:, 1:]
    if name == "reshaped":
        return lambda x, v: (x.ravel()[2:4] + v[:2]) + put(x.ravel(), slice(2, 4), x.ravel()[2:4] + v[:2])[:2]
    return WRITES[name][1]


def written(name):
    f, *rest = WRITES[name]
    value = rest[1] if len(rest) > 1 else lambda v: v
    return lambda x, v: f(x * 1.0, value(v))


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_and_gradients(name, dtype):
    x = np.array([[0.3, -1.2, 0.7], [2.0, -0.4, 0.9]], dtype)
    v = V.astype(dtype)
    f, expected = written(name), reference(name)
    rtol = 1e-12 if dtype == np.float64 else 1e-4
    weights = np.arange(1.0, 7.0).astype(dtype)

    def loss(g):
        return lambda x, v: (ag.ravel(g(x, v)) ** 2 * weights[: g(x, v).size]).sum()

    eager = ag.value_and_grad(loss(f), (0, 1))(x, v)
    functional = ag.value_and_grad(loss(expected), (0, 1))(x, v)
    compiled = jit.value_and_grad(loss(f), (0, 1))(x, v)
    for one in (eager, compiled):
        np.testing.assert_allclose(one[0], functional[0], rtol=rtol)
        for g, h in zip(one[1], functional[1], strict=True):
            np.testing.assert_allclose(g, h, rtol=rtol, atol=rtol)
            assert g.dtype == dtype
    if dtype == np.float64:
        tensors = [ag.tensor(x, requires_grad=True), ag.tensor(v, requires_grad=True)]
        ag.gradcheck(f, tensors)
        ag.gradgradcheck(f, tensors)


# ---- constants: NumPy's own writes ----


@pytest.mark.parametrize(
    "key", [0, (1, 2), slice(None, None, -1), MASK, [1, 0], (..., 1), (slice(None), [0, 2])], ids=str
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_constants_are_written_as_by_numpy(key, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    x = ag.tensor(array)
    value = np.asarray(array[key]) * 2 + 1.5
    x[key] = value
    array[key] = value
    np.testing.assert_array_equal(x.numpy(), array)
    assert (x.dtype, x.requires_grad, x.grad_fn) == (dtype, False, None)


def test_memory_is_shared_with_numpy():
    array = np.zeros((2, 2))
    x = ag.as_tensor(array)
    seen, row = x.numpy(), x[0]
    x[0, 1] = 3.0
    row += 1.0
    assert array.tolist() == seen.tolist() == x.tolist() == [[1.0, 4.0], [0.0, 0.0]]
    y = leaf(1.0, 2.0) * 2
    outside = y.detach()
    y[0] = 7.0
    assert outside.tolist() == [7.0, 4.0]
    outside[1] = 5.0
    assert y.tolist() == [7.0, 5.0]


def test_numbers_are_left_alone_by_infix_operators():
    # As in NumPy, where an element is a number and no view; PyTorch's own methods write to the array.
    x = leaf(1.0, 2.0)
    y = x * 3
    s = y[0]
    s += y[1]
    assert (s.item(), y.tolist()) == (9.0, [3.0, 6.0])
    y[0].add_(1.0)
    y[1].zero_()
    assert y.tolist() == [4.0, 0.0]
    assert gradient(x, y.sum()) == [3.0, 0.0]
    total = before = x.sum()
    total *= 2
    assert (before.item(), total.item()) == (3.0, 6.0)

    def newton(x):
        for _ in range(3):
            x -= (x * x - 2) / (2 * x)
        return x

    assert ag.grad(newton)(1.5) == pytest.approx(jit.grad(newton)(1.5), rel=1e-14)
    t = ag.tensor(2.0)
    t += 1
    assert t.item() == 3.0


# ---- views ----


def test_a_view_and_its_base_see_each_others_writes():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 2
    view, reversed_, column = y[1:], y[::-1], y.reshape(3, 1)
    view *= x[:2]
    assert y.tolist() == [2.0, 4.0, 12.0]
    assert (reversed_.tolist(), column.T.tolist()) == ([12.0, 4.0, 2.0], [[2.0, 4.0, 12.0]])
    # (2 x1, 2 x2 x1, 2 x3 x2)
    assert gradient(x, y.sum()) == [6.0, 8.0, 4.0]
    y = x * 2
    views = y[1:], y[::-1][0], y[::-1][:1], y[None]
    y[2] = x[0] * x[1]
    assert views[0].grad_fn is not None
    assert gradient(x, views[0].sum()) == [2.0, 3.0, 0.0]
    assert gradient(x, views[2].sum()) == [2.0, 1.0, 0.0]
    assert gradient(x, views[3].sum()) == [4.0, 3.0, 0.0]
    assert gradient(x, views[1]) == [0.0, 0.0, 2.0]  # an element is a number, which does not change


def test_a_constant_that_a_gradient_is_written_to():
    x = leaf(2.0, 3.0)
    table = ag.zeros(3, 2)
    row = table[1]
    table[1] = x * x
    assert (table.requires_grad, table.is_leaf) == (True, False)
    assert gradient(x, row.sum()) == [4.0, 6.0]
    for i in range(3):
        table[i] = table[i - 1] + x * i
    # Rows: 4 x^2 ... of row 1 the value before is read by row 0 through row -1, which is zero.
    assert gradient(x, table[2].sum()) == [3.0, 3.0]
    with ag.no_grad():
        table = ag.zeros(2)
        table += x
    assert not table.requires_grad


def test_a_constant_that_a_gradient_is_multiplied_into():
    x = leaf(2.0, 3.0)
    y = ag.tensor([10.0, 20.0])
    y *= x
    y.mul_(x)
    assert gradient(x, y.sum()) == [40.0, 120.0]


def test_constants_in_the_place_of_all_elements():
    x = leaf(1.0, 2.0)
    y = ag.stack([x, x * x])
    transposed, flat = y.T, y.reshape(4)
    transposed.fill_(0.5)
    assert y.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert flat.tolist() == [0.5] * 4
    assert y.requires_grad
    assert gradient(x, (x * y[0]).sum() + transposed.sum() + flat.sum()) == [0.5, 0.5]


def test_a_constant_in_the_place_of_an_element():
    x = leaf(1.0, 2.0)
    y = x * x
    element = y[1]
    element.fill_(0.5)
    assert y.tolist() == [1.0, 0.5]
    assert gradient(x, element * x[0] + y.sum()) == [2.5, 0.0]


def test_what_reshape_has_copied_is_no_view():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = (x * 1).reshape(2, 2)
    copy = y.T.reshape(4)
    copy[0] = 10.0
    assert y.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert gradient(x, (y.sum() + copy.sum())) == [1.0, 2.0, 2.0, 2.0]
    compiled = jit.grad(lambda x: _copied(x).sum())
    np.testing.assert_array_equal(compiled(np.arange(4.0)), [1.0, 2.0, 2.0, 2.0])


def _copied(x):
    y = (x * 1).reshape(2, 2)
    copy = y.T.reshape(4)
    copy[0] = 10.0
    return y.ravel() + copy


def test_overlapping_parts():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    y[1:] = y[:-1]
    assert y.tolist() == [1.0, 1.0, 2.0]
    assert gradient(x, (y * ag.tensor([1.0, 10.0, 100.0])).sum()) == [11.0, 100.0, 0.0]


def test_rows_of_an_array_are_changed_while_it_is_gone_through():
    x = leaf(1.0, 2.0)
    y = ag.stack([x, x])
    for row in y:
        row *= x
    assert gradient(x, y.sum()) == [4.0, 8.0]


# ---- leaves ----

LEAF = "^a leaf Variable that requires grad is being used in an in-place operation"
VIEW = "^a view of a leaf Variable that requires grad is being used in an in-place operation"


def test_leaves_are_not_written_to():
    x = leaf(1.0, 2.0)
    for f, words in (
        (lambda: x.add_(1), LEAF),
        (lambda: x.__iadd__(1), LEAF),
        (lambda: x.zero_(), LEAF),
        (lambda: x.__setitem__(MASK[0, :2], 0.0), LEAF),
        (lambda: x.__setitem__(0, 1.0), VIEW),
        (lambda: x[1:].mul_(2), VIEW),
        (lambda: ag.grad(lambda x: x.add_(1).sum())(np.ones(2)), LEAF),
        (lambda: ag.grad(lambda x: x[:1].add_(1).sum())(np.ones(2)), VIEW),
        (lambda: jit.grad(lambda x: x.add_(1).sum())(np.ones(2)), LEAF),
        (lambda: ag.tensor(1.0, requires_grad=True).__iadd__(1), LEAF),
    ):
        with pytest.raises(RuntimeError, match=words):
            f()
    assert x.tolist() == [1.0, 2.0]


def test_an_optimiser_writes_to_leaves():
    w = leaf(1.0, 2.0)
    for _ in range(3):
        w.grad = None
        (w * w).sum().backward()
        with ag.no_grad():
            w -= 0.25 * w.grad
            w[0] += 1.0
    assert w.is_leaf
    assert w.requires_grad
    # w0 -> w0 / 2 + 1, which is 2 w0 - 2 halved each time
    np.testing.assert_allclose(w.tolist(), [1.875, 0.25])
    scalar = ag.tensor(1.0, requires_grad=True)
    with ag.no_grad():
        scalar -= 0.5
    assert (scalar.item(), scalar.requires_grad) == (0.5, True)


def test_a_view_that_was_taken_without_a_graph():
    y = leaf(1.0, 2.0) * 2
    with ag.no_grad():
        view = y[1:]
    with pytest.raises(RuntimeError, match=r"^A view was created in no_grad mode and is being modified inplace"):
        view.add_(1)
    with pytest.raises(RuntimeError, match="Can't detach views in-place"):
        y[1:].detach_()


# ---- values that the sweep needs ----

MODIFIED = "^one of the variables needed for gradient computation has been modified by an inplace operation"


def test_a_saved_value_that_was_written_over():
    def swept(before, change, words):
        x = leaf(1.0, 2.0, 3.0)
        y = x * 1
        z = before(y)
        change(y if z is None else z)
        with pytest.raises(RuntimeError, match=MODIFIED + words):
            (y.sum() if z is None else (z.sum() + y.sum())).backward()

    swept(
        lambda y: y.exp(), lambda z: z.add_(1), r": `add_` has written to the float64 of shape \(3,\) .* `ExpBackward0`"
    )
    swept(lambda y: y.tanh(), lambda z: z.__setitem__(0, 0.0), r": `x\[...\] = v` .* `TanhBackward0`")
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    z = y * y
    y += 1
    with pytest.raises(RuntimeError, match=r": `\+=` .* `MulBackward0` reads"):
        z.sum().backward()
    z = y.sin()
    with ag.no_grad():
        y.zero_()
    with pytest.raises(RuntimeError, match=r"`zero_` .* `SinBackward0`"):
        ag.grad(z.sum(), x, create_graph=True)
    w = leaf(1.0, 2.0)
    z = (w * w).sum()
    with ag.no_grad():
        w -= 1.0
    with pytest.raises(RuntimeError, match=r"`-=` .* `MulBackward0`"):
        z.backward()
    z = (w * w).sum()
    w.detach().mul_(2)
    with pytest.raises(RuntimeError, match=r"`mul_` .* `MulBackward0`"):
        z.backward()


def test_only_elements_that_are_read_count():
    x = leaf(2.0, 3.0)
    history = ag.zeros(4, 2)
    history[0] = x
    for i in range(3):
        history[i + 1] = history[i] * x  # PyTorch, which counts the writes to the whole array, refuses this
    assert gradient(x, history[3].sum()) == [32.0, 108.0]
    y = x * 1
    z = y * 5.0  # the derivative does not read `y`
    y += 1
    assert gradient(x, z.sum()) == [5.0, 5.0]
    y = x * 1
    z = y[0] * y[0]  # elements are numbers
    y[0] = 0.0
    assert gradient(x, z) == [4.0, 0.0]
    y = (x * 1).exp_()  # what an operation in place saves is its own
    y *= y
    y.log_()
    assert gradient(x, y.sum()) == pytest.approx([2.0, 2.0])


def test_a_write_after_the_sweep_is_nobodys_concern():
    with jit.enable_hot_tapes():
        w = leaf(1.0, 2.0)
        for _ in range(100):
            w.grad = None
            (w * w).sum().backward()
            with ag.no_grad():
                w -= 0.1 * w.grad
        np.testing.assert_allclose(w.tolist(), np.array([1.0, 2.0]) * 0.8**100)


def test_retained_gradients_and_hooks_follow():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y *= 3
    y.sum().backward()
    assert (y.grad.tolist(), x.grad.tolist()) == ([1.0, 1.0], [6.0, 6.0])


def test_what_was_written_to_is_freed():
    import gc
    import weakref

    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = x * 2
        view = y[1:]
        view += 1
        found = [weakref.ref(y), weakref.ref(y.data), weakref.ref(view)]
        del y, view
        assert [ref() for ref in found] == [None] * 3
    finally:
        gc.enable()


# ---- what is refused ----


def test_shapes_dtypes_and_memory():
    x = ag.zeros(2)
    whole = ag.tensor([1, 2])
    fixed = np.zeros(2)
    fixed.flags.writeable = False
    cases = [
        (lambda: x.__iadd__(np.ones((3, 2))), r"output with shape \[2\] doesn't match the broadcast shape \[3, 2\]"),
        (lambda: whole.__iadd__(0.5), "result type float64 can't be cast to the desired output type int64"),
        (lambda: x.__setitem__(slice(None), np.ones(3)), r"value tensor of shape \[3\] cannot be broadcast"),
        (lambda: x.fill_(np.ones(2)), "fill_ only supports 0-dimension value tensor but got tensor with 1 dimensions"),
        (lambda: x[None].expand(3, 2).add_(1), "more than one element of the written-to tensor refers to a single"),
        (lambda: ag.Tensor(fixed).zero_(), "`zero_` needs memory that can be written to, got a read-only array"),
    ]
    for f, words in cases:
        with pytest.raises(RuntimeError, match=words):
            f()
    x[0] = ag.tensor([[4.0]])
    whole[0] = 7.9
    assert (x.tolist(), whole.tolist()) == ([4.0, 0.0], [7, 2])
    with pytest.raises(IndexError, match="index 2 is out of range for axis 0 of length 2"):
        x[2] = 0.0


# ---- recorded ----


def test_recorded_writes_are_to_what_is_made_there():
    outside = ag.zeros(2)

    def to(make):
        def f(x):
            y = make(x)
            y[0] = x[1]
            return y.sum()

        return f

    for make in (
        lambda x: ag.zeros(2),
        lambda x: ag.tensor([1.0, 2.0]),
        lambda x: np.zeros_like(x),
        lambda x: ag.full((2,), 3.0),
        lambda x: x.copy(),
        lambda x: np.copy(x),
        lambda x: x * 1,
    ):
        x = np.array([5.0, 7.0])
        assert float(jit.compile(to(make))(x)) == float(to(make)(ag.tensor(x)))
        np.testing.assert_array_equal(jit.grad(to(make))(x), ag.grad(to(make))(x))
    for make in (lambda x: outside, lambda x: x, lambda x: x[:]):
        with pytest.raises(
            RuntimeError, match=r"writes to a tensor from outside of the recorded function, .* `x.clone\(\)`"
        ):
            jit.compile(to(make))(np.ones(2))
    assert outside.tolist() == [0.0, 0.0]


def test_a_recorded_write_without_a_gradient():
    def f(x):
        y = x * 2
        with ag.no_grad():
            y += 1
        return y.sum()

    with pytest.raises(RuntimeError, match=r"within `no_grad` changes the values of a tensor and not its gradient"):
        jit.grad(f)(np.ones(2))
    assert ag.grad(f)(np.ones(2)).tolist() == [2.0, 2.0]


def test_a_mask_that_is_computed():
    def f(x):
        y = x * 1
        y[y < 0] = 0.0
        return (y * y).sum()

    fast = jit.grad(f)
    for x in (np.array([1.0, -2.0, 3.0]), np.array([-1.0, 2.0, -3.0])):
        np.testing.assert_array_equal(fast(x), 2 * np.maximum(x, 0))
        np.testing.assert_array_equal(ag.grad(f)(x), 2 * np.maximum(x, 0))
