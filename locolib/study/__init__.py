"""The study as a whole: its pages, how they are run and rendered, what surrounds the experiments, and the commands."""
