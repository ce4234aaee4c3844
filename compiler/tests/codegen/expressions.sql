-- Transformation demo/expressions
-- Written by `aggregator codegen`; change the Transformation and write it again.
-- Input: the table `input`.
-- Parameters, to be bound as values:
--   $since (Date32, default 2026-01-01)
--   $word (Utf8, default it's "so")
--   $from (Float64, default 2.5)
SELECT
  a + b * 2 - 1 AS "sum",
  a / b AS "quotient",
  a % b AS "remainder",
  x / 4 AS "ratio",
  -a AS "negative",
  a > 0 AND p AS "both",
  a > 0 OR p AS "either",
  NOT (a > 0 OR p) AS "neither",
  p IS NOT NULL AND p IS TRUE AS "known",
  p IS NOT FALSE AS "not_false",
  p IS NOT TRUE AS "not_true",
  a IN (1, -7, 10) AS "in_list",
  s NOT IN ('x', $word) AS "not_in_list",
  x BETWEEN -1 AND $from AS "between",
  a NOT BETWEEN -6 AND 6 AS "not_between",
  a IS DISTINCT FROM b AS "distinct_from",
  s LIKE 'a_c%' AS "like",
  s NOT LIKE '%100\%.%' AS "like_literal",
  s ILIKE 'ABC%' AS "ilike",
  CASE WHEN a > 5 THEN 'large' WHEN a > 0 THEN 'small' WHEN a < 0 THEN s END AS "size",
  CASE s WHEN 'abc' THEN 1 WHEN 'x' THEN 2.5 ELSE NULL END AS "code",
  CASE WHEN b = 1 THEN a ELSE b END AS "guarded",
  coalesce(s, t, 'none') AS "first",
  nullif(a, 10) AS "no_zero",
  round(x, 1) AS "rounded",
  round(x) AS "whole",
  abs(a) AS "magnitude",
  CEIL(x) AS "up",
  FLOOR(x) AS "down",
  d >= $since AS "recent",
  d = DATE '2026-03-04' AS "fixed_day",
  -- Exclude those of these that the input has too: "sum", "quotient", "remainder", "ratio", "negative", "both", "either", "neither", "known", "not_false", "not_true", "in_list", "not_in_list", "between", "not_between", "distinct_from", "like", "like_literal", "ilike", "size", "code", "guarded", "first", "no_zero", "rounded", "whole", "magnitude", "up", "down", "recent", "fixed_day"
  * EXCLUDE ("a", "b", "d", "p", "s", "t", "x")
FROM input
