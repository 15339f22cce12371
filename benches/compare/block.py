"""The block of a page that a bench writes: what stands between two comments that have its name."""

from pathlib import Path

from process import Failure


class Block:
    def __init__(self, name: str):
        self.begin, self.end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"

    def write(self, page: Path, text: str) -> None:
        """Puts `text` in the place of what is there, and leaves the rest of the page."""
        before, begin, rest = page.read_text().partition(self.begin)
        _old, end, after = rest.partition(self.end)
        if not begin or not end:
            raise Failure(f"{page} lacks {self.begin} … {self.end}")
        page.write_text(f"{before}{self.begin}\n{text}{self.end}{after}")
