"""A file in which one row of a thousand has a value that is no number, and the same file without them."""

import checksum
import manifest
from verdict import Limit
from works import Work

# The spoilt rows: where they stand in the file, and their keys.
SPOILT = "spoilt.csv"


def spoil(source, folder):
    """Writes the file with bad rows, and the list of them."""
    with open(source, encoding="utf-8") as clean, open(folder / "lineitem.csv", "w", encoding="utf-8") as bad, open(folder / SPOILT, "w") as spoilt:
        spoilt.write("line,l_orderkey,l_linenumber\n")
        for number, line in enumerate(clean, 1):
            if number % 1000 == 0:
                fields = line.split(",", 5)
                spoilt.write(f"{number},{fields[0]},{fields[3]}\n")
                fields[4] = "many"
                line = ",".join(fields)
            bad.write(line)


def prepare(bench):
    folder = bench.folder("bad")
    spoil(bench.data / "lineitem.csv", folder)

    def reading(connector):
        def ours():
            nodes = f"""  sources: [{{name: lineitem, connector: {connector}, stream: lineitem.csv}}]
  sinks: [{{name: lake, from: lineitem, connector: lake, stream: lineitem/, write: {{mode: Overwrite}}}}]
"""
            return bench.ours(nodes, {"bad": manifest.files("bad", folder, manifest.DECLARED)}, 'percent: "1"')

        return ours

    spoilt = f"read_csv('{folder}/{SPOILT}')"
    among = f"(l_orderkey, l_linenumber) IN (SELECT (l_orderkey, l_linenumber) FROM {spoilt})"

    def good(table):
        """What of a copy of the clean file is in the bad one too."""
        return bench.duckdb(checksum.lineitem("duckdb", f"(SELECT * FROM {table} WHERE NOT {among}) AS good"))

    def lines(table):
        return bench.duckdb(f"SELECT count(*), sum(line)::bigint FROM {table}")

    def check(system):
        """The good rows, and where the bad ones stand: those that were rejected, or that the clean file's copy has after all."""
        copy, rejects = (f"read_parquet('{bench.work}/{place}/*.parquet')" for place in ("ours/lineitem", "rejects/rejects"))
        if system == "ours":
            return f"{bench.duckdb(checksum.lineitem('duckdb', copy))}, bad: {lines(rejects)}"
        return f"{good(copy)}, bad: {lines(f'{spoilt} JOIN {copy} USING (l_orderkey, l_linenumber)')}"

    clean = f"read_csv('{bench.data}/lineitem.csv')"
    return Work(
        "bad-rows",
        "a file with 0.1 % bad rows, against the clean file",
        bench.lineitem_rows,
        {"ours": reading("bad"), "clean file": reading("csv")},
        f"{good(clean)}, bad: {lines(spoilt)}",
        check,
        [Limit("time", 1.2, peer="clean file")],
    )
