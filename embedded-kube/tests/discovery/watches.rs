//! Tables of the events of a watch.

use aggregator_embedded_kube::api::discovery::MetaVersion;
use aggregator_embedded_kube::api::table::{Include, Options, Printer};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds;
use crate::real::Real;

/// Without the ages, which are others a moment later.
fn ageless(mut table: Value) -> Value {
    for row in table["rows"].as_array_mut().into_iter().flatten() {
        for cell in row["cells"].as_array_mut().into_iter().flatten() {
            if cell.as_str().is_some_and(|text| text.len() < 5 && text.ends_with('s')) {
                *cell = json!("age");
            }
        }
    }
    table
}

#[test]
fn every_event_of_a_watch_has_a_table_of_its_own() {
    let real = Real::start();
    let namespace = real.plane.namespace();
    for (group, plural, object) in [
        (
            "wear.example.com",
            "shirts",
            json!({"apiVersion": "wear.example.com/v1", "kind": "Shirt", "spec": {"color": "red"}}),
        ),
        ("", "configmaps", json!({"data": {"a": "b"}})),
    ] {
        let kind = kinds::named(group, plural);
        let place = kinds::place(&kind, namespace.name());
        for name in ["one", "two"] {
            let mut object = object.clone();
            object["metadata"] = json!({"name": name, "labels": {"watched": "yes"}});
            real.create(&place, &object);
        }
        let words = "labelSelector=watched&watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
                     &allowWatchBookmarks=true&timeoutSeconds=2&resourceVersion=";
        for (wanted, include) in
            [("Object", Include::Object), ("None", Include::Nothing), ("Metadata", Include::Metadata)]
        {
            let address = format!("{place}?{words}&includeObject={wanted}");
            let plain = real.get(&format!("{place}?{words}"));
            let tables = real.accepting(&address, "application/json;as=Table;v=v1;g=meta.k8s.io");
            let events =
                |body: &str| -> Vec<Value> { body.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
            let (plain, tables) = (events(&plain.body), events(&tables.body));
            assert!(plain.len() >= 3, "{plain:?}");
            let printer = Printer::new(&kind);
            for (position, (plain, table)) in plain.iter().zip(&tables).enumerate() {
                let options = Options { include, headers: position == 0, version: MetaVersion::V1 };
                assert_eq!(plain["type"], table["type"]);
                let ours = printer.object(&plain["object"], options, Timestamp::now());
                let (mut ours, mut theirs) = (ageless(ours), ageless(table["object"].clone()));
                if plain["type"] == "BOOKMARK" {
                    // Both were sent at another moment.
                    for table in [&mut ours, &mut theirs] {
                        table["metadata"]["resourceVersion"] = json!("0");
                        if table["rows"][0]["object"].is_object() {
                            table["rows"][0]["object"]["metadata"]["resourceVersion"] = json!("0");
                        }
                    }
                }
                assert_eq!(ours, theirs, "{plural} with {wanted}: {plain}");
            }
            assert!(plain[..3].iter().any(|event| event["type"] == "BOOKMARK"), "{plain:?}");
        }
    }
}
