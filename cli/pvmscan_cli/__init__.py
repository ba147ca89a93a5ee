"""The `pvmscan` command: words, colours, progress. What it says comes from `pvmscan` and `pvm`."""
