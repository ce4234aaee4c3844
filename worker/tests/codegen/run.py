"""Runs generated code. Arguments: module, Arrow file in, Arrow file out, library, parameters as JSON."""

import datetime
import importlib.util
import json
import sys

import pyarrow as pa

module_path, input_path, output_path, library, given = sys.argv[1:]
spec = importlib.util.spec_from_file_location("generated", module_path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
read = {"Utf8": str, "Int64": int, "Float64": float, "Date32": datetime.date.fromisoformat}
params = {name: read[kind](text) for name, (kind, text) in json.loads(given).items()}
with pa.ipc.open_file(input_path) as reader:
    table = reader.read_all()
if library == "pandas":
    import pandas

    frame = table.to_pandas(types_mapper=pandas.ArrowDtype)
    result = pa.Table.from_pandas(module.transform(frame, **params), preserve_index=False)
else:
    import polars

    result = module.transform(polars.from_arrow(table), **params).to_arrow(compat_level=polars.CompatLevel.oldest())
with pa.ipc.new_file(output_path, result.schema) as writer:
    writer.write_table(result)
