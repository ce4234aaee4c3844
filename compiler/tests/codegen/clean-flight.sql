-- Transformation demo/clean-flight
-- One shape for flights from every airline
-- Written by `aggregator codegen`; change the Transformation and write it again.
-- Input: the table `input`.
-- Parameters, to be bound as values:
--   $country (Utf8): where the airline is at home
--   $limit (Int64, default 30)
SELECT
  upper(TRIM(flight_no)) AS "flight",
  "orig_iata" AS "origin",
  try_cast("sched" AS TIMESTAMP(6) WITH TIME ZONE) AS "scheduled_at",
  coalesce(try_cast("delay" AS INTEGER), CAST('0' AS INTEGER)) AS "delay_minutes",
  TRY_CAST(delay AS INT) > $limit AS "late",
  $country AS "country"
FROM input
-- The engine rejects rows with a value that cannot be cast; here they are left out.
WHERE ("sched" IS NULL OR try_cast("sched" AS TIMESTAMP(6) WITH TIME ZONE) IS NOT NULL)
  AND ("delay" IS NULL OR try_cast("delay" AS INTEGER) IS NOT NULL)
