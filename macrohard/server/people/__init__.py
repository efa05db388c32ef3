"""A team's people: how they are known, what is kept of what they do, and how much of it they may do at once."""
