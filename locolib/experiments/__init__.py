"""The paper's experiments, a room each, all with the same three doors: the method, its report, its figures.

locogen (Section 5), tracing (Section 4), editing (Section 6), neurons (Section 7), deepfloyd (Section 6.2, App. M),
human (Section 5.2, App. J).  The method gives tidy results, without prose or plots; `report` makes rows of tables, claims and
sentences of them; `figures` draws them; `page` says what the notebook may be asked.
"""
