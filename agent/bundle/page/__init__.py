"""The page that an auditor reads first, in two languages, written from the summary of a bundle and nothing else."""

from agent.bundle.page.write import PAGES, page

__all__ = ["PAGES", "page"]
