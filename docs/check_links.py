"""Every link within the built pages leads somewhere: `python docs/check_links.py build/docs`."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The anchors of a page, and what it links to or shows."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[tuple[int, str]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note where the tag can be jumped to, and where it leads."""
        for name, value in attrs:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.append((self.getpos()[0], value))


def broken_links(folder: Path) -> list[str]:
    """A line for every link to a file or an anchor that is not there: page, line, link."""
    pages = {path.resolve(): Page(path) for path in sorted(folder.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        for line, link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            there = target.is_file() if target.suffix else (target / "index.html").is_file()
            if not there or (anchor and target in pages and anchor not in pages[target].anchors):
                found.append(f"{path.relative_to(folder.resolve())}:{line}: {link}")
    return found


def main() -> None:
    """Check a folder, print what is broken."""
    folder = Path(sys.argv[1])
    if not any(folder.rglob("*.html")):
        sys.exit(f"{folder}: no pages")
    if broken := broken_links(folder):
        sys.exit("\n".join(["links that lead nowhere:", *broken]))


if __name__ == "__main__":
    main()
