-- Transformation demo/distinct-routes
-- Written by `aggregator codegen`; change the Transformation and write it again.
-- Input: the table `input`.
SELECT DISTINCT origin, destination, distance > 1000 AS far
FROM input
WHERE origin <> destination
