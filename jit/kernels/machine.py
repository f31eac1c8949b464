"""LLVM modules to machine code, by LLVM alone, for the processor and with the options that Numba compiles for."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import config

from ..target import features
from .loader import Code


def new_module(name: str) -> ir.Module:
    """An empty module for this machine."""
    module = ir.Module(name)
    module.triple = llvm.get_process_triple()
    module.data_layout = str(_machine().target_data)
    return module


def code_of_module(module: ir.Module, entry: str, level: int = 3) -> Code:
    """The machine code of a module whose function of that name is to be called; `level` is the most that LLVM does."""
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(min(int(_option("OPT")), level))
    options.loop_vectorization = bool(_option("LOOP_VECTORIZE"))
    options.slp_vectorization = bool(_option("SLP_VECTORIZE"))
    machine = _machine()
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(parsed, builder)
    outside = [x.name for x in (*parsed.functions, *parsed.global_variables) if x.is_declaration]
    symbols = tuple([x for x in outside if not x.startswith("llvm.")])
    return Code(machine.emit_object(parsed), entry, "", symbols, 0)


def _machine() -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    options: dict[str, Any] = {"opt": _option("OPT"), "codemodel": "jitdefault", "jit": True}
    if llvm.get_process_triple().startswith("x86"):
        options["reloc"] = "static"
    cpu = _option("CPU_NAME") or llvm.get_host_cpu_name()
    return target.create_target_machine(cpu=cpu, features=features(), **options)


def _option(name: str) -> Any:
    """An option of Numba's."""
    return getattr(config, name)
