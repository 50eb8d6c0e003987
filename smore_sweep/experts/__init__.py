"""Scripted experts, one module for each family of tasks.

An expert is a pure function of one observation dict (``observation``, ``achieved_goal``, ``desired_goal``) that
returns one float32 action in [-1, 1]. It has no memory and does not touch the simulator, so that its data can be
imitated by a policy that sees the same observation. Our expert data are made by these functions with Gaussian noise
added to their actions.
"""
