"""When to ask again, and what an answer means for a wait. No clock and no network of its own."""
