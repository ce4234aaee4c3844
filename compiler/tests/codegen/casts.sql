-- Transformation demo/casts
-- Written by `aggregator codegen`; change the Transformation and write it again.
-- Input: the table `input`.
SELECT
  try_cast("text" AS TINYINT) AS "small",
  try_cast("text" AS BIGINT) AS "large",
  try_cast("text" AS DOUBLE PRECISION) AS "ratio",
  try_cast("text" AS BOOLEAN) AS "truth",
  try_cast("text" AS DATE) AS "day",
  try_cast("text" AS TIMESTAMP(6)) AS "local",
  coalesce(try_cast("text" AS BIGINT), CAST('-1' AS BIGINT)) AS "or_default",
  try_cast("number" AS SMALLINT) AS "whole",
  try_cast("number" AS REAL) AS "single",
  try_cast("whole" AS VARCHAR) AS "digits",
  try_cast("whole" AS TINYINT) AS "narrow",
  try_cast("flag" AS INTEGER) AS "one_or_none",
  coalesce(try_cast("flag" AS VARCHAR), 'unknown') AS "said",
  try_cast("born" AS TIMESTAMP(6) WITH TIME ZONE) AS "since",
  try_cast("at" AS DATE) AS "on_day",
  try_cast("born" AS VARCHAR) AS "day_text"
FROM input
-- The engine rejects rows with a value that cannot be cast; here they are left out.
WHERE ("number" IS NULL OR try_cast("number" AS REAL) IS NOT NULL)
  AND ("flag" IS NULL OR try_cast("flag" AS INTEGER) IS NOT NULL)
  AND ("born" IS NULL OR try_cast("born" AS TIMESTAMP(6) WITH TIME ZONE) IS NOT NULL)
  AND ("at" IS NULL OR try_cast("at" AS DATE) IS NOT NULL)
