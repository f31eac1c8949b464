"""Jacobians and Hessians that are mostly zeros: which entries there are, and how few products give them."""
