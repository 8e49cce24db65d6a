"""Print tables and plans in a terminal."""
