"""Rows into a table that has some of them: half are there and change, half are new."""

import checksum
import tpch
from verdict import Limit
from works import Work, count, table


def prepare(bench):
    key = ", ".join(tpch.LINEITEM_KEY)
    delta = round(1_000_000 * bench.scale)
    table.filled(bench)
    new = ", ".join("l_orderkey + (SELECT max(l_orderkey) FROM lineitem)" if name == "l_orderkey" else name for name, _ in tpch.LINEITEM_COLUMNS)
    bench.postgres(f"""ALTER TABLE lineitem ADD PRIMARY KEY ({key});
        CREATE TABLE delta AS SELECT * FROM lineitem ORDER BY {key} LIMIT {delta // 2};
        UPDATE delta SET l_comment = 'changed', l_quantity = l_quantity + 1;
        INSERT INTO delta SELECT {new} FROM lineitem ORDER BY {key} LIMIT {delta - delta // 2};
        ALTER TABLE delta ADD PRIMARY KEY ({key});
        VACUUM ANALYZE lineitem, delta;""")
    kept = f"SELECT * FROM lineitem l WHERE NOT EXISTS (SELECT FROM delta d WHERE {' AND '.join(f'd.{name} = l.{name}' for name in tpch.LINEITEM_KEY)})"
    expected = bench.postgres(checksum.lineitem("postgres", f"(SELECT * FROM delta UNION ALL {kept}) AS merged"))
    bench.server.fresh(bench.server.PREPARED, template=bench.server.DATABASE)

    def ours():
        bench.server.fresh(template=bench.server.PREPARED)
        return bench.ours(f"""  sources: [{{name: delta, connector: db, stream: public.delta}}]
  sinks: [{{name: table, from: delta, connector: db, stream: public.lineitem, write: {{mode: Upsert, key: [{key}]}}}}]
""")

    def sling():
        bench.server.fresh(template=bench.server.PREPARED)
        keys = ",".join(tpch.LINEITEM_KEY)
        return bench.sling("--src-conn", "PG", "--src-stream", "public.delta", "--tgt-conn", "PG", "--tgt-object", "public.lineitem",
                           "--mode", "incremental", "--primary-key", keys)

    return Work(
        "upsert",
        f"PostgreSQL → PostgreSQL, upsert of {count(delta)} rows into {count(bench.lineitem_rows)}",
        delta,
        {"ours": ours, "Sling": sling},
        expected,
        lambda system: bench.postgres(checksum.lineitem("postgres", "lineitem")),
        [Limit("rate", 5, 10, "Sling")],
    )
