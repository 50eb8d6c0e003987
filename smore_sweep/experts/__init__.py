"""Scripted experts, one module per family of tasks.

An expert is a pure function of one observation dict (``observation``, ``achieved_goal``, ``desired_goal``) that
returns one float32 action in [-1, 1]. It has no memory and does not access the simulator, so that a policy that sees
the same observation can imitate it. The generated expert data add Gaussian noise to these actions.
"""
