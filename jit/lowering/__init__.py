"""From graphs to programs: loop nests, calls, and where everything lies."""
