"""From a row (a prompt, a seed, what is done to it) to its image: text states, keys and values, hooks, the denoising loop.

Sections 3 and 4, and the altered input of Section 5.1.1: everything the paper does to a model is done here, in one place for
all experiments.
"""
