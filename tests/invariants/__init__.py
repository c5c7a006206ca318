"""Who watches agents while something is wrong: what clients saw of them, and what must stay true."""
