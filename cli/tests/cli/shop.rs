//! A small shop: orders in a file, some of them bad, prices in SQLite; a Pipeline that joins them.

use crate::aggregator::Place;
use crate::rows::execute_sqlite;

const CONNECTORS: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: drops, namespace: shop}
spec:
  description: Orders as the shop exports them
  file:
    root: in
    format:
      csv:
        schema:
          columns:
            - {name: id, type: Int64, nullable: false}
            - {name: product, type: Utf8, nullable: false}
            - {name: quantity, type: Int64}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: prices, namespace: shop}
spec:
  sqlite: {path: prices.sqlite}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: out, namespace: shop}
spec:
  file: {root: out, format: {ndjson: {}}}
";

/// Its Transformation and its Pipeline.
pub(crate) const PIPELINE: &str = "apiVersion: aggregator.dev/v1alpha1
kind: Transformation
metadata: {name: clean, namespace: shop}
spec:
  mapping:
    columns:
      - {name: id}
      - {name: product, expression: lower(product)}
      - {name: quantity, expression: \"coalesce(quantity, 1)\"}
  tests:
    - name: small letters
      rows: [{id: 1, product: LAMP, quantity: 2}]
      expect: {rows: [{id: 1, product: lamp, quantity: 2}]}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: turnover, namespace: shop}
spec:
  params: [{name: least, type: Int64, default: \"1\"}]
  sources:
    - {name: orders, connector: drops, stream: \"*.csv\", sync: {mode: Incremental}}
    - {name: prices, connector: prices, stream: prices}
  transforms:
    - {name: cleaned, from: [orders], transformation: {ref: clean}}
    - {name: wanted, from: [cleaned], filter: {where: quantity >= $least}}
    - name: sums
      from: [wanted, prices]
      sql:
        query: >
          SELECT w.product, sum(w.quantity) AS sold, sum(w.quantity * p.price) AS turnover
          FROM wanted w JOIN prices p ON p.product = w.product GROUP BY w.product ORDER BY w.product
  sinks:
    - {name: lines, from: wanted, connector: out, stream: lines/}
    - {name: table, from: sums, connector: prices, stream: turnover, write: {mode: Upsert, key: [product]}}
  quality:
    - {name: something-sold, node: sums, expression: count(*) > 0}
    - {name: all-large, node: wanted, expression: min(quantity) > 2, severity: Warning}
  rejects: {connector: out, stream: rejects/, budget: {rows: 5}}
";

const ORDERS: &str = "id,product,quantity\n1,Lamp,2\nx,Lamp,1\n2,Desk,\n3,lamp,0\n4,,3\n5,Chair,4\n6,lamp,many,1\n";

/// A place with all of it.
pub(crate) fn place() -> Place {
    let place = Place::new();
    place.write("connectors.yaml", CONNECTORS);
    place.write("turnover.yaml", PIPELINE);
    place.write("in/orders.csv", ORDERS);
    execute_sqlite(
        &place.file("prices.sqlite"),
        "CREATE TABLE prices (product TEXT PRIMARY KEY, price REAL NOT NULL);
         INSERT INTO prices VALUES ('lamp', 19.5), ('desk', 149.0), ('chair', 45.0);",
    );
    place
}
