CREATE INDEX job_by_finish ON job (finished_at_ms) WHERE finished_at_ms IS NOT NULL;
