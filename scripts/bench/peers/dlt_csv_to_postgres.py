"""CSV into PostgreSQL with dlt, by its own CSV reader and with its defaults."""

import os
import pathlib
import sys

path, url, folder = sys.argv[1:]
os.environ["DLT_DATA_DIR"] = os.environ["DLT_PROJECT_DIR"] = folder
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
from dlt.sources.filesystem import filesystem, read_csv

path = pathlib.Path(path)
rows = filesystem(bucket_url=path.parent.as_uri(), file_glob=path.name) | read_csv()
pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(url), dataset_name="dlt", pipelines_dir=folder)
pipeline.run(rows.with_name("lineitem"), write_disposition="replace")
