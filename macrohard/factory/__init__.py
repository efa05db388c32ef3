"""The factory's graph and its nodes; LangGraph lives here only."""
