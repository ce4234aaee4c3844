"""The manifests that ours is given."""

import tpch

FILES = """apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: {name}, namespace: bench}}
spec:
  file:
    root: {root}
{format}---
"""

DECLARED = f"""    format:
      csv:
        schema:
          columns:
{tpch.LINEITEM_SCHEMA}
"""

PARQUET = "    format: {parquet: {compression: zstd}}\n"

DATABASE = """apiVersion: v1
kind: Secret
metadata: {{name: connector-db, namespace: bench}}
stringData: {{password: {password}}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {{name: db, namespace: bench}}
spec:
  postgres: {{host: 127.0.0.1, port: {port}, database: {database}, username: postgres, password: {{secretKey: password}}, tls: {{mode: Disable}}}}
---
"""

PIPELINE = """apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: work, namespace: bench}
spec:
"""


def files(name, root, form=""):
    """A Connector of a folder: Parquet, lineitem with declared columns, or, without a form, what the names of files say."""
    return FILES.format(name=name, root=root, format=form)


def database(server):
    """The Connector `db`, and its Secret."""
    return DATABASE.format(password=server.PASSWORD, port=server.port, database=server.DATABASE)


def pipeline(nodes, budget):
    """A Pipeline with the nodes. Every one has a place for rejects: what is measured is what one should run."""
    return f"{PIPELINE}{nodes}  rejects: {{connector: rejects, stream: rejects/, budget: {{{budget}}}}}\n"
