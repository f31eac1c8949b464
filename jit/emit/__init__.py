"""From loop nests to LLVM."""
