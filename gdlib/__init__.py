"""The thin helper of *Downhill*: gradient descent you can touch, in PyTorch.

Read it from the ground up; each floor imports only the ones below it:

palette                   one colour, one role
landscapes, data, rules   losses and games over a weight vector; data, samplers; update rules
descent, training         many runs at once; the plain PyTorch loop
analysis                  gradients per example, slopes, predictions
figures                   matplotlib drawings on axes you give
explore                   sliders that work in Jupyter and in a built page
checks                    what the exercises call
"""
