CREATE TABLE job (
  id TEXT NOT NULL PRIMARY KEY,
  feature TEXT NOT NULL,
  app TEXT NOT NULL,
  user_id TEXT,
  request BLOB NOT NULL,
  status TEXT NOT NULL CHECK (
    status IN ('queued', 'processing', 'succeeded', 'failed', 'expired', 'cancelled')
  ),
  attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  created_at_ms INTEGER NOT NULL,
  started_at_ms INTEGER,
  finished_at_ms INTEGER,
  expires_at_ms INTEGER NOT NULL,
  lease_until_ms INTEGER,
  result BLOB,
  CHECK ((status = 'processing') = (lease_until_ms IS NOT NULL)),
  CHECK ((finished_at_ms IS NULL) = (status IN ('queued', 'processing')))
) STRICT;
CREATE INDEX job_by_status ON job (status, created_at_ms);
CREATE TABLE job_key (
  app TEXT NOT NULL,
  feature TEXT NOT NULL,
  key TEXT NOT NULL,
  request_hash BLOB NOT NULL,
  job TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  PRIMARY KEY (app, feature, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_key_by_job ON job_key (job);
