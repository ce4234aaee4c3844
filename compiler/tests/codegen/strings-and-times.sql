-- Transformation demo/strings-and-times
-- Written by `aggregator codegen`; change the Transformation and write it again.
-- Input: the table `input`.
-- Parameters, to be bound as values:
--   $separator (Utf8, default -)
SELECT
  lower(s) AS "lower",
  ltrim(s) AS "left_trimmed",
  rtrim(s) AS "right_trimmed",
  TRIM(BOTH 'ax ' FROM s) AS "trimmed_of",
  SUBSTR(s, 2, 3) AS "middle",
  SUBSTRING(s FROM 3) AS "tail",
  SUBSTR(s, -1, 4) AS "before",
  left(s, 2) AS "head",
  right(s, 2) AS "last",
  replace(s, 'a', '*.') AS "replaced",
  length(s) AS "characters",
  split_part(s, $separator, 2) AS "second_part",
  starts_with(s, 'a') AS "starts",
  ends_with(s, '.') AS "ends",
  contains(s, 'b-') AS "holds",
  s || '/' || m || $separator AS "joined",
  concat(s, m, '!') AS "concatenated",
  concat_ws(', ', s, m, 'end') AS "listed",
  date_trunc('hour', at) AS "hour",
  date_trunc('week', at) AS "week",
  date_trunc('quarter', day) AS "quarter",
  date_trunc('month', day) AS "month",
  EXTRACT(YEAR FROM at) AS "year_of",
  date_part('quarter', day) AS "quarter_of",
  date_part('month', day) AS "month_of",
  date_part('week', day) AS "week_of",
  date_part('day', at) AS "day_of",
  date_part('dow', day) AS "weekday",
  date_part('doy', day) AS "day_of_year",
  date_part('hour', at) AS "hour_of",
  date_part('second', at) AS "second_of",
  at > TIMESTAMP '2026-01-01 00:00:00' AS "next_to",
  coalesce("m", '0') AS "m"
FROM input
