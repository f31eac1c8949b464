"""What loops carry, in the form in which it is read.

    x carried, every step reads unslice(x)        unslice(x) carried: no step puts the zeros around x again
    x carried, slice(x) is all that is read       slice(x) carried

The first is for stencils, before they are differentiated; the second for the gradients of stencils.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from autograd import ops
from autograd.primitive import Primitive

from ..graph import Atom, Equation, Graph, Loop, Params, Var
from ..loop import key_of, scan, uses_of
from .loops import substituted

#: From a loop, the position of what it carries, and the equations that read the last of it, to the parameters of the
#: form in which it is read.
_Form = Callable[[Loop, int, Sequence[Equation]], Params | None]


def padded(graph: Graph) -> Graph:
    """The graph with arrays carried with zeros around them, where steps read them so."""
    return _changed(graph, ops.unslice, _padding)


def parted(graph: Graph) -> Graph:
    """The graph with the parts of arrays carried that alone are read."""
    return _changed(graph, ops.slice_, _part)


def _padding(loop: Loop, place: int, _: Sequence[Equation]) -> Params | None:
    own = loop.body.inputs[loop.constants + place]
    found = {x.params for x in loop.body.equations if x.primitive is ops.unslice and x.inputs[0] is own}
    return found.pop() if len(found) == 1 else None


def _part(loop: Loop, place: int, readers: Sequence[Equation]) -> Params | None:
    own = loop.body.inputs[loop.constants + place]
    inside = [x for x in loop.body.equations if own in x.inputs]
    found = {(x.primitive, x.params) for x in (*inside, *readers)}
    if not inside or len(found) != 1 or own in loop.body.outputs:
        return None
    primitive, params = found.pop()
    return params if primitive is ops.slice_ else None


def _changed(graph: Graph, form: Primitive, form_of: _Form) -> Graph:
    """The graph with `form` of what is carried in its place, wherever `form_of` gives parameters for it."""
    uses = uses_of(graph)
    if not uses:
        return graph
    readers: defaultdict[Atom, list[Equation]] = defaultdict(list)
    for equation in graph.equations:
        for x in equation.inputs:
            readers[x].append(equation)
    # What the graph returns is read as it is.
    for x in (*graph.outputs, *graph.guards):
        readers[x].append(Equation(ops.stop_gradient, (x,), (), Var(x.aval)))
    changes: dict[object, _Change] = {}
    for key, results in uses.items():
        loop: Loop = dict(results[0].params)["loop"]
        lasts = {dict(x.params)["pick"]: x.out for x in results}
        forms = {i: form_of(loop, i, readers[lasts[i]] if i in lasts else ()) for i in range(loop.carried)}
        chosen = {i: params for i, params in forms.items() if params is not None}
        if chosen:
            changes[key] = _Change(loop, results[0].inputs, form, chosen, readers)
    if not changes:
        return graph
    equations: list[Equation] = []
    renamed: dict[Atom, Atom] = {}
    for equation in graph.equations:
        change = changes.get(key_of(equation)) if equation.primitive is scan else None
        equations += [equation] if change is None else change.replaced(equation, renamed)
    return substituted(graph._replace(equations=tuple(equations)), renamed)


class _Change:
    """A loop that carries another form of what it carried at some places."""

    def __init__(
        self,
        loop: Loop,
        inputs: Sequence[Atom],
        form: Primitive,
        chosen: dict[int, Params],
        readers: dict[Atom, list[Equation]],
    ) -> None:
        self.form, self.chosen, self.readers = form, chosen, readers
        self.before: list[Equation] = []
        body, given, own = loop.body, list(inputs), list(loop.body.inputs)
        equations, outputs = list(body.equations), list(body.outputs)
        renamed: dict[Atom, Atom] = {}
        for place, params in chosen.items():
            i = loop.constants + place
            x = own[i]
            given[i] = self.formed(self.before, given[i], params)
            new = own[i] = Var(given[i].aval)
            renamed.update({e.out: new for e in body.equations if _is(e, form, x, params)})
            outputs[place] = self.formed(equations, outputs[place], params)
            if form is ops.unslice:
                equations.insert(0, _part_of(new, params, x))
                # What each step begins with.
                outputs[len(outputs) - loop.carried + place] = new
        equations = [e for e in equations if e.out not in renamed]
        graph = body._replace(inputs=tuple(own), equations=tuple(equations), outputs=tuple(outputs))
        self.loop = replace(loop, body=substituted(graph, renamed))
        self.inputs = tuple(given)

    def formed(self, equations: list[Equation], x: Atom, params: Params) -> Var:
        equations.append(Equation.of(self.form, x, **dict(params)))
        return equations[-1].out

    def replaced(self, equation: Equation, renamed: dict[Atom, Atom]) -> list[Equation]:
        """What gives a result of the loop; notes which variables others stand for."""
        pick, out = dict(equation.params)["pick"], equation.out
        before, self.before = self.before, []
        params = (("loop", self.loop), ("pick", pick))
        if pick not in self.chosen:
            return [*before, equation._replace(inputs=self.inputs, params=params)]
        last = Var(self.loop.body.outputs[pick].aval)
        found = [*before, Equation(scan, self.inputs, params, last)]
        if self.form is ops.unslice:
            return [*found, _part_of(last, self.chosen[pick], out)]
        renamed.update({reader.out: last for reader in self.readers[out]})
        return found


def _is(equation: Equation, primitive: Primitive, x: Atom, params: Params) -> bool:
    return equation.primitive is primitive and equation.inputs[0] is x and equation.params == params


def _part_of(padded: Var, params: Params, out: Var) -> Equation:
    return Equation(ops.slice_, (padded,), (("index", dict(params)["index"]),), out)
