"""A run that finds nothing to do: what every run costs."""

import manifest
from verdict import Limit
from works import Work


def prepare(bench):
    source = bench.folder("empty")
    (source / "empty.csv").write_text("id,name\n")

    def ours():
        bench.folder("empty/out")
        return bench.ours(
            """  sources: [{name: nothing, connector: empty, stream: empty.csv}]
  sinks: [{name: out, from: nothing, connector: empty, stream: out/nothing.csv, write: {mode: Overwrite}}]
""",
            {"empty": manifest.files("empty", source)},
        )

    return Work(
        "empty",
        "`aggregator run` on an empty source",
        0,
        {"ours": ours},
        "id,name",
        lambda system: (source / "out/nothing.csv").read_text().strip(),
        [Limit("seconds", 0.060)],
        Limit("memory", 64),
    )
