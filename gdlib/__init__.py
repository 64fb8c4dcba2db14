"""The thin helper of *Downhill*: gradient descent you can touch, in PyTorch.

Read it from the ground up; each floor imports only the ones below it:
palette                   one colour, one role
simplify, kernels         a step as a list of kernels, without those that change nothing
landscapes, data, rules   losses and games over a weight vector; data, samplers; update rules
step, descent, training   one step of all runs; many runs at once; the plain PyTorch loop
analysis, predictions     gradients per example, slopes, sharpness; numbers stated in advance
figures                   matplotlib drawings on axes you give
explore                   sliders that work in Jupyter and in a built page
steering, watched, live   a run under a learner's hand; its picture; the panel in Jupyter
checks                    what the exercises call
"""
