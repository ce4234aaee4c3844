-- Transformation demo/totals
-- Written by `aggregator codegen`; change the Transformation and write it again.
-- Input: the table `input`.
SELECT count(*) AS row_count, sum(v) AS total, coalesce(max(v), -1) AS largest FROM input WHERE v < 10
