-- Where the steady timeline was at the last checkpoint, and what the machine said about time then.
-- Durations are measured on it; it goes on over restarts and is not moved by who sets the clock.
CREATE TABLE clock (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  steady_ms INTEGER NOT NULL,
  wall_ms INTEGER NOT NULL,
  uptime_ms INTEGER NOT NULL,
  boot TEXT NOT NULL,
  -- The latest place that a written plan refers to.
  latest_ms INTEGER NOT NULL,
  -- The last time that the wall clock was set, and by how much.
  stepped_at_ms INTEGER,
  stepped_by_ms INTEGER NOT NULL
) STRICT;
