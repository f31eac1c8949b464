"""How many steps the simulations take, in every contestant's form."""

LORENZ_STEPS = 100
HEAT_STEPS = 50
NBODY_STEPS = 100
