"""From functions to graphs: what a function reads and does, its loops, and graphs run again."""
