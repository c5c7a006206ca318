"""Text from elsewhere that is shown to people."""


def replace_unprintable(text: str) -> str:
    """The text with U+FFFD for each character that does not print."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
