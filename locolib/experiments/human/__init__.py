"""The human study (Section 5.2, App. J): pairs of images (`pairs`), the page on which people rate them (`rating_page`), what they send back (`files`)."""

from .files import all_problems, check, check_new, collect, listed, problems, read_plan
from .pairs import ATTRIBUTES, FOUR, QUESTIONS, Item, order, plan, read, table
from .rating_page import note, render, site, write_page

__all__ = [
    "ATTRIBUTES",
    "FOUR",
    "Item",
    "QUESTIONS",
    "all_problems",
    "check",
    "check_new",
    "collect",
    "listed",
    "note",
    "order",
    "plan",
    "problems",
    "read",
    "read_plan",
    "render",
    "site",
    "table",
    "write_page",
]
