"""Reads a page back as a browser's parser does: which elements with which attributes, and what text."""

from html.parser import HTMLParser

_VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """`elements` in order, as (tag, attributes); `text` of everything but style and script; `unclosed` tags."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.unclosed = [], "", []
        self.feed(str(html))
        self.close()

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag):
        assert self.unclosed.pop() == tag, f"</{tag}> at {self.getpos()} closes another element"

    def handle_data(self, data):
        if not self.unclosed or self.unclosed[-1] not in ("style", "script"):
            self.text += data


def words(html):
    """The text of a page or a part of one, with single spaces, also between an entry and its value."""
    return " ".join(Page(html.replace("</d", " </d")).text.split())
