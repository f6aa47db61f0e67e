"""How the store's tables came to be, step by step; the store runs them by itself when it is opened."""
