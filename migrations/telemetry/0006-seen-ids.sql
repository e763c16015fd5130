CREATE TABLE seen_id (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  feature TEXT NOT NULL,
  id_count INTEGER NOT NULL CHECK (id_count > 0),
  hashes BLOB NOT NULL CHECK (length(hashes) = id_count * 8)
) STRICT;
CREATE INDEX seen_id_by_feature ON seen_id (feature, id);
