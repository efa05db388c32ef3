"""The history of the tables, one file a step; run in code when a store is opened."""
