-- Transformation demo/delays-by-airport
-- Written by `aggregator codegen`; change the Transformation and write it again.
-- Input: the table `input`.
-- Parameters, to be bound as values:
--   $minimum (Int64, default 0)
SELECT upper(f.origin) AS airport, count(*) AS flights, count(f.delay) AS timed,
       sum(f.delay) AS total, avg(f.delay) AS mean, min(f.delay) AS best, max(f.delay) AS worst,
       count(DISTINCT f.airline) AS airlines, round(100.0 * count(f.delay) / count(*), 1) AS share
FROM input f
WHERE f.cancelled IS NOT TRUE AND (f.delay IS NULL OR f.delay >= $minimum)
GROUP BY 1
HAVING count(*) > 1
