"""The functions that move, join, split and repeat elements, against NumPy."""

import numpy as np
import pytest

import autograd as ag
from autograd import functions as F
from tests.compare import agrees, same

X = np.arange(1.0, 7).reshape(2, 3)
CUBE = np.arange(1.0, 25).reshape(2, 3, 4)
VECTOR = np.arange(1.0, 6)
EMPTY = np.zeros((2, 0, 3))
NUMBER = np.array(3.0)

# The name of a function that NumPy has too, the arrays that it gets, and the other arguments.
CASES = [
    ("reshape", [X], [(3, 2)]),
    ("reshape", [X], [(3, -1)]),
    ("reshape", [X], [-1]),
    ("reshape", [X], [(2, 3)]),
    ("reshape", [EMPTY], [(0, 7)]),
    ("reshape", [NUMBER], [(1, 1)]),
    ("ravel", [X], []),
    ("ravel", [NUMBER], []),
    ("transpose", [X], []),
    ("transpose", [CUBE], [(2, 0, 1)]),
    ("transpose", [CUBE], [(-1, 0, 1)]),
    ("transpose", [NUMBER], []),
    ("swapaxes", [CUBE], [0, -1]),
    ("swapaxes", [CUBE], [1, 1]),
    ("moveaxis", [CUBE], [0, -1]),
    ("moveaxis", [CUBE], [(0, 1), (1, 2)]),
    ("moveaxis", [CUBE], [[2, 0], [0, 1]]),
    ("squeeze", [X[:, None, :, None]], []),
    ("squeeze", [X[:, None, :, None]], [1]),
    ("squeeze", [X[:, None, :, None]], [(1, -1)]),
    ("squeeze", [X], []),
    ("expand_dims", [X], [0]),
    ("expand_dims", [X], [-1]),
    ("expand_dims", [X], [(0, 2)]),
    ("expand_dims", [NUMBER], [0]),
    ("broadcast_to", [VECTOR], [(2, 5)]),
    ("broadcast_to", [X[:, None]], [(4, 2, 2, 3)]),
    ("broadcast_to", [NUMBER], [3]),
    ("broadcast_to", [NUMBER], [()]),
    ("broadcast_to", [EMPTY], [(2, 0, 3)]),
    ("atleast_1d", [NUMBER], []),
    ("atleast_1d", [X], []),
    ("atleast_2d", [NUMBER], []),
    ("atleast_2d", [VECTOR], []),
    ("atleast_2d", [CUBE], []),
    ("atleast_3d", [NUMBER], []),
    ("atleast_3d", [VECTOR], []),
    ("atleast_3d", [X], []),
    ("atleast_3d", [CUBE], []),
    ("matrix_transpose", [CUBE], []),
    ("flip", [X], []),
    ("flip", [CUBE], [1]),
    ("flip", [CUBE], [(0, -1)]),
    ("flip", [EMPTY], []),
    ("flip", [NUMBER], []),
    ("fliplr", [X], []),
    ("flipud", [X], []),
    ("roll", [X], [1]),
    ("roll", [X], [-7]),
    ("roll", [X], [1, 1]),
    ("roll", [CUBE], [(1, 2), (0, 1)]),
    ("roll", [CUBE], [1, (0, 2)]),
    ("roll", [CUBE], [(1, 1), (0, 0)]),
    ("roll", [EMPTY], [2]),
    ("roll", [NUMBER], [2]),
    ("rot90", [X], []),
    ("rot90", [X], [2]),
    ("rot90", [X], [3]),
    ("rot90", [X], [-4]),
    ("rot90", [CUBE], [1, (1, 2)]),
    ("rot90", [CUBE], [-1, (2, 0)]),
    ("diff", [X], []),
    ("diff", [X], [1, 0]),
    ("diff", [CUBE], [2, -1]),
    ("diff", [CUBE], [5, 1]),
    ("diff", [CUBE], [0]),
    ("tile", [VECTOR], [2]),
    ("tile", [X], [(2, 1, 3)]),
    ("tile", [CUBE], [(2,)]),
    ("tile", [CUBE], [(1, 1)]),
    ("tile", [NUMBER], [(2, 2)]),
    ("tile", [X], [(0, 2)]),
    ("repeat", [X], [2]),
    ("repeat", [X], [2, 1]),
    ("repeat", [X], [[1, 0, 2], 1]),
    ("repeat", [X], [[1, 0, 2, 1, 1, 1]]),
    ("repeat", [X], [np.array([3, 1]), -2]),
    ("repeat", [X], [0, 0]),
    ("repeat", [NUMBER], [3]),
    ("trace", [X], []),
    ("trace", [CUBE], [1, 0, 2]),
    ("trace", [CUBE], [-1, 2, 1]),
    ("diagonal", [X], []),
    ("diagonal", [X], [1]),
    ("diagonal", [X], [2]),
    ("diagonal", [X], [-1]),
    ("diagonal", [X], [3]),
    ("diagonal", [X], [-5]),
    ("diagonal", [CUBE], [0, 1, 2]),
    ("diagonal", [CUBE], [1, 2, 0]),
    ("diagonal", [CUBE], [-1, -3, -1]),
    ("diagonal", [EMPTY], []),
    ("diagonal", [np.ones((1, 1))], []),
    ("diag", [VECTOR], []),
    ("diag", [VECTOR], [2]),
    ("diag", [VECTOR], [-1]),
    ("diag", [X], []),
    ("diag", [X], [1]),
    ("diag", [np.zeros(0)], []),
    ("diag", [np.zeros(0)], [1]),
    ("diagflat", [X], [1]),
    ("tril", [X], []),
    ("tril", [CUBE], [1]),
    ("tril", [VECTOR], [-1]),
    ("triu", [X], []),
    ("triu", [CUBE], [-1]),
    ("triu", [VECTOR], [1]),
    ("split", [VECTOR[:4]], [2]),
    ("split", [X], [3, 1]),
    ("split", [VECTOR], [[1, 3]]),
    ("split", [VECTOR], [(3, 1, -1, 9)]),
    ("split", [VECTOR], [[]]),
    ("array_split", [VECTOR], [3]),
    ("array_split", [VECTOR], [7]),
    ("array_split", [CUBE], [2, -1]),
    ("vsplit", [X], [2]),
    ("hsplit", [X], [[1]]),
    ("hsplit", [VECTOR], [5]),
]


def named(cases):
    return [f"{i}-{case[0]}" for i, case in enumerate(cases)]


@pytest.mark.parametrize(("name", "arrays", "arguments"), CASES, ids=named(CASES))
def test_functions_of_one_array(name, arrays, arguments):
    agrees(lambda *xs: getattr(F, name)(*xs, *arguments), lambda *xs: getattr(np, name)(*xs, *arguments), *arrays)


JOINED = [
    ("concatenate", [VECTOR, VECTOR[:2]], []),
    ("concatenate", [X, X[:1]], [0]),
    ("concatenate", [X, X[:, :1], X], [-1]),
    ("concatenate", [X, NUMBER, CUBE], [None]),
    ("concatenate", [X, EMPTY[:, :, 0], np.arange(4).reshape(2, 2)], [1]),
    ("concatenate", [X], []),
    ("concat", [VECTOR, VECTOR], []),
    ("stack", [X, X + 1], []),
    ("stack", [X, X + 1], [1]),
    ("stack", [X, X + 1], [-1]),
    ("stack", [NUMBER, NUMBER, np.array(2)], []),
    ("vstack", [X, VECTOR[:3], X], []),
    ("vstack", [NUMBER, NUMBER], []),
    ("hstack", [X, X[:, :1]], []),
    ("hstack", [VECTOR, NUMBER], []),
    ("dstack", [X, X], []),
    ("dstack", [VECTOR, VECTOR], []),
    ("dstack", [CUBE, CUBE[..., :1]], []),
    ("column_stack", [VECTOR[:2], X, VECTOR[2:4]], []),
]


@pytest.mark.parametrize(("name", "arrays", "arguments"), JOINED, ids=named(JOINED))
def test_functions_that_join(name, arrays, arguments):
    agrees(lambda *xs: getattr(F, name)(xs, *arguments), lambda *xs: getattr(np, name)(xs, *arguments), *arrays)


def test_joined_parts_may_be_tensors_arrays_lists_and_numbers():
    x, y = ag.Tensor(2.0, requires_grad=True), np.float64(3.0)
    out = F.stack([x, y, 2.0, 1])
    same(out.data, np.array([2.0, 3.0, 2.0, 1.0]))
    (out * [1, 10, 100, 1000]).sum().backward()
    assert x.grad.data == 1
    same(F.concatenate([[1.0, 2.0], F.stack([x, x])]).data, np.array([1.0, 2.0, 2.0, 2.0]))
    same(F.concatenate(np.ones((2, 3))), np.ones(6))
    same(F.concatenate(ag.Tensor(np.ones((2, 3)))).data, np.ones(6))


PADDED = [
    (VECTOR, 2),
    (X, 1),
    (X, (2, 0)),
    (CUBE, ((0, 1), (2, 0), (1, 3))),
    (X, ((5, 7), (9, 1))),
    (X, 0),
    (VECTOR, (24, 30)),
]


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize(("x", "widths"), PADDED)
def test_pad(x, widths, mode):
    agrees(lambda x: F.pad(x, widths, mode), lambda x: np.pad(x, widths, mode), x)


@pytest.mark.parametrize("values", [2.5, (1.0, 2.0), ((1.0, 2.0), (3.0, 4.0))])
def test_pad_with_constants(values):
    agrees(
        lambda x: F.pad(x, ((1, 2), (0, 1)), constant_values=values),
        lambda x: np.pad(x, ((1, 2), (0, 1)), constant_values=values),
        X,
    )


def test_pad_with_a_tensor_as_the_constant():
    agrees(
        lambda x, c: F.pad(x, 1, constant_values=c),
        lambda x, c: np.where(np.pad(np.ones(x.shape), 1) > 0, np.pad(x, 1), c),
        X,
        NUMBER,
    )


def test_pad_keeps_the_dtype():
    same(F.pad(np.array([1, 2]), 1, constant_values=7), np.array([7, 1, 2, 7]))
    same(F.pad(np.array([1, 2]), 1, constant_values=7.9), np.pad([1, 2], 1, constant_values=7.9))


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
def test_small_pads_are_slices_and_one_concatenation(mode):
    x = ag.Tensor(VECTOR)
    with ag.record() as tape:
        F.pad(x, 1, mode)
    names = [node.primitive.name for node in tape.nodes]
    assert set(names) <= {"slice", "concatenate", "expand"}
    assert names.count("concatenate") == 1


def test_broadcasting_of_several_arrays():
    agrees(lambda *xs: F.broadcast_arrays(*xs), lambda *xs: np.broadcast_arrays(*xs), X, VECTOR[:3], NUMBER)
    agrees(lambda *xs: F.broadcast_arrays(*xs), lambda *xs: np.broadcast_arrays(*xs), X[:, None], VECTOR[:, None])


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_grids(indexing, count):
    vectors = [VECTOR, VECTOR[:2], NUMBER][:count]
    agrees(
        lambda *xs: F.meshgrid(*xs, indexing=indexing),
        lambda *xs: np.meshgrid(*xs, indexing=indexing),
        *vectors,
    )


def test_functions_with_the_names_of_pytorch():
    agrees(lambda x: F.permute(x, (1, 2, 0)), lambda x: x.transpose(1, 2, 0), CUBE)
    agrees(lambda x: F.unsqueeze(x, 1), lambda x: x[:, None], CUBE)
    agrees(lambda x: F.expand(x, (4, -1, 3)), lambda x: np.broadcast_to(x, (4, 2, 3)), X[:, :1])
    agrees(lambda x: F.flatten(x, 1), lambda x: x.reshape(2, -1), CUBE)
    agrees(lambda x: F.flatten(x, 0, 1), lambda x: x.reshape(6, 4), CUBE)
    agrees(F.flatten, np.ravel, CUBE)
    agrees(F.flatten, np.ravel, NUMBER)


def test_what_changes_nothing_is_the_tensor_itself():
    x = ag.Tensor(X)
    for same_one in (
        x.reshape(2, 3), x.transpose(0, 1), x.squeeze(), F.broadcast_to(x, (2, 3)), F.roll(x, 3, 1),
        F.pad(x, 0), F.swapaxes(x, 1, 1), F.atleast_2d(x), F.tile(x, 1), F.diff(x, 0), F.moveaxis(x, 0, 0),
    ):  # fmt: skip
        assert same_one is x


def test_sizes_that_are_tensors_are_guarded():
    x, n = ag.Tensor(X), ag.Tensor(3)
    with ag.record() as tape:
        out = x.reshape(n, 2)
    assert out.shape == (3, 2)
    assert [guard.value for guard in tape.guards] == [3]


# ---- errors ----


ERRORS = [
    (
        lambda x: F.reshape(x, (4, -1)),
        r"`reshape` needs a shape of the 6 elements of \(2, 3\), got \(4, -1\)",
    ),
    (lambda x: F.reshape(x, (-1, -1)), r"-1 has no single value; give all sizes but one"),
    (
        lambda x: F.transpose(x, (0, 0)),
        r"`transpose` needs each of the 2 axes of shape \(2, 3\) once.*`swapaxes`",
    ),
    (lambda x: F.transpose(x, (1,)), r"got \(1,\)"),
    (
        lambda x: F.transpose(x, (0, 2)),
        r"`transpose` needs an axis between -2 and 1 for an array of rank 2, got 2",
    ),
    (lambda x: F.swapaxes(x, 0, 5), r"`swapaxes` needs an axis between -2 and 1"),
    (lambda x: F.moveaxis(x, (0, 0), (0, 1)), r"`moveaxis` needs as many axes to move as places, each once"),
    (lambda x: F.moveaxis(x, 0, (0, 1)), r"`moveaxis` needs as many axes to move as places"),
    (
        lambda x: F.squeeze(x, 1),
        r"`squeeze` needs axes of length 1, got axis 1 of length 3 in shape \(2, 3\)",
    ),
    (
        lambda x: F.broadcast_to(x, (3,)),
        r"`broadcast_to` needs a shape that \(2, 3\) broadcasts to, got \(3,\)",
    ),
    (lambda x: F.broadcast_to(x, (4, 3)), r"got \(4, 3\); reshape it first so that the axes line up"),
    (lambda x: F.expand(x, (-1, 2, 3)), r"`expand` needs the length of a new axis, got \(-1, 2, 3\)"),
    (lambda x: F.expand(x, (3,)), r"`expand` needs a shape that \(2, 3\) broadcasts to, got \(3,\)"),
    (lambda x: F.broadcast_arrays(x, np.ones(2)), r"`broadcast_arrays` needs .* got \(2, 3\) and \(2,\)"),
    (lambda x: F.flatten(x, 1, 0), r"`flatten` needs start_dim before end_dim, got 1 and 0"),
    (
        lambda x: F.concatenate([x, np.ones(3)]),
        r"`concatenate` needs .* all of one rank .* \(2, 3\) and \(3,\)",
    ),
    (lambda x: F.concatenate([]), r"`concatenate` needs at least one array.* got none"),
    (
        lambda x: F.concatenate([x[0, 0], 1.0]),
        r"one rank above 0, got \(\) and \(\); `stack` joins along a new axis",
    ),
    (lambda x: F.concatenate([x, x], 2), r"`concatenate` needs an axis between -2 and 1"),
    (
        lambda x: F.stack([x, x[0]]),
        r"`stack` needs at least one array, and all of one shape, got \(2, 3\) and \(3,\)",
    ),
    (lambda x: F.stack([]), r"`stack` needs at least one array, .* got none"),
    (lambda x: F.stack([x, x], 3), r"`stack` needs an axis between -3 and 2 for an array of rank 3, got 3"),
    (
        lambda x: F.split(x, 2, 1),
        r"`split` needs a number of parts that divides .* axis 1, 3, got 2; `array_split`",
    ),
    (lambda x: F.array_split(x, 0), r"`array_split` needs at least one part, got 0"),
    (lambda x: F.pad(x, 1, "mean"), r"`pad` needs a mode of constant, edge, .*, got 'mean'"),
    (lambda x: F.pad(x, -1), r"`pad` needs widths of 0 or more, integers, got -1"),
    (lambda x: F.repeat(x, [1, 2], 1), r"`repeat` needs a number for each of 3 elements along axis 1, got 2"),
    (lambda x: F.rot90(x, 1, (0, -2)), r"`rot90` needs two different axes, got \(0, -2\)"),
    (lambda x: F.fliplr(x[0]), r"`fliplr` needs an axis between -1 and 0 for an array of rank 1, got 1"),
    (lambda x: F.diff(x, -1), r"`diff` needs an order of 0 or more, got -1"),
    (lambda x: F.diagonal(x, 0, 1, -1), r"`diagonal` needs two different axes, got 1 and -1"),
    (lambda x: F.trace(x[0]), r"`trace` needs an axis between -1 and 0 for an array of rank 1, got 1"),
    (
        lambda x: F.diag(x[None]),
        r"`diag` needs a vector or a matrix, got shape \(1, 2, 3\); `diagonal` takes more",
    ),
    (lambda x: F.tril(x[0, 0]), r"`tril` needs one axis at least, got a single number"),
    (lambda x: F.meshgrid(x[0], indexing="yx"), r"`meshgrid` needs indexing \"xy\" or \"ij\", got 'yx'"),
    (lambda x: F.matrix_transpose(x[0]), r"`matrix_transpose` needs two axes at least, got shape \(3,\)"),
]


@pytest.mark.parametrize(("call", "words"), ERRORS)
def test_errors_say_what_is_needed(call, words):
    with pytest.raises(ValueError, match=words):
        call(ag.Tensor(X))


def test_a_reshape_to_another_number_of_elements_is_explained():
    with pytest.raises(ValueError, match=r"`reshape` needs a shape of the same number of elements, got \(2, 3\)"):
        ag.Tensor(X).reshape(5)


def test_a_reshape_to_a_number_is_a_scalar_of_numpy():
    x = ag.Tensor([2.0], requires_grad=True)
    y = x.reshape(())
    assert type(y.data) is np.float64
    (y * y).backward()
    assert x.grad.tolist() == [4.0]


def test_parts_of_a_concatenation_have_their_gradients():
    xs = [ag.Tensor(np.ones((2, n)), requires_grad=True) for n in (1, 0, 3)]
    out = F.concatenate(xs, axis=1)
    out.backward(np.arange(8.0).reshape(2, 4))
    assert [x.grad.tolist() for x in xs] == [[[0.0], [4.0]], [[], []], [[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]]]


def test_a_stack_is_one_reshape_of_what_is_joined_and_on_a_tape_of_each_part():
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    y = ag.stack([x, 2 * x, x])
    assert [y.node.name, y.node.parents[0].name] == ["ReshapeBackward0", "ConcatenateBackward0"]
    (y * [[1.0, 10.0], [100.0, 1e3], [1e4, 1e5]]).sum().backward()
    same(x.grad.numpy(), np.array([10_201.0, 102_010.0]))
    with ag.record() as tape:
        ag.stack([x, x])
    assert [node.primitive.name for node in tape.nodes] == ["reshape", "reshape", "concatenate"]
