//! Events, in both of their groups.

use serde_json::{Value, json};

use crate::case::{Case, case, in_any_order, lines_in_any_order};
use crate::manifests::{boat, object, pod, with};

const NEW: &str = "/apis/events.k8s.io/v1/namespaces/{ns}/events";

/// An event of the older form.
fn old(name: &str, more: &Value) -> Value {
    let about = json!({"kind": "Boat", "apiVersion": "example.com/v1", "namespace": "{ns}", "name": "a"});
    let event = json!({"involvedObject": about, "reason": "Sailed", "message": "it went out", "type": "Normal", "source": {"component": "harbour"}});
    with(object("v1", "Event", name, &event), more)
}

/// An event of the newer form.
fn new(name: &str, more: &Value) -> Value {
    let about = json!({"kind": "Boat", "apiVersion": "example.com/v1", "namespace": "{ns}", "name": "a"});
    let event = json!({
        "regarding": about, "reason": "Returned", "note": "it came back", "type": "Normal", "action": "Sailing",
        "reportingController": "example.com/harbour", "reportingInstance": "h-1", "eventTime": "2001-02-03T04:05:06.123456Z",
    });
    with(object("events.k8s.io/v1", "Event", name, &event), more)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("event-of-the-older-form")
            .post("{core}/events", old("a", &json!({"count": 2, "firstTimestamp": "2001-02-03T04:05:06Z", "lastTimestamp": "2001-02-03T05:05:06Z"})))
            .get("{core}/events/a")
            .get(&format!("{NEW}/a")),
        case("event-of-the-newer-form")
            .post(NEW, new("a", &json!({"series": {"count": 3, "lastObservedTime": "2001-02-03T04:05:07.000001Z"}})))
            .get(&format!("{NEW}/a"))
            .get("{core}/events/a"),
        case("events-that-are-wrong")
            .post("{core}/events", old("a", &json!({"involvedObject": {"namespace": "other"}})))
            .post(NEW, new("b", &json!({"eventTime": null})))
            .post(NEW, new("c", &json!({"reportingController": "", "action": "", "reason": ""})))
            .post(NEW, new("d", &json!({"note": "x".repeat(1025), "type": "Strange"}))),
        case("events-that-change")
            .create([old("a", &json!({"count": 1})), new("b", &json!({}))])
            .merge("{core}/events/a", json!({"count": 2, "message": "again"}))
            .merge(&format!("{NEW}/b"), json!({"note": "other"}))
            .merge(&format!("{NEW}/b"), json!({"series": {"count": 2, "lastObservedTime": "2001-02-03T04:05:07.000001Z"}}))
            .delete(&format!("{NEW}/a"), Value::Null)
            .get("{core}/events/a"),
        case("events-by-field")
            .create([old("a", &json!({"type": "Warning"})), new("b", &json!({}))])
            .get("{core}/events?fieldSelector=type=Warning")
            .get("{core}/events?fieldSelector=involvedObject.kind=Boat,involvedObject.name=a,reason=Returned")
            .get(&format!("{NEW}?fieldSelector=regarding.kind=Boat,reason=Sailed"))
            .get("{core}/events?fieldSelector=source=harbour")
            .get(&format!("{NEW}?fieldSelector=involvedObject.name=a"))
            .get("{core}/events?fieldSelector=note=x"),
        case("events-by-kubectl")
            .create([boat("a", &json!({}))])
            .create([old("a", &json!({"type": "Warning", "count": 4, "firstTimestamp": "2001-02-03T04:05:06Z", "lastTimestamp": "2001-02-03T05:05:06Z"})), new("b", &json!({}))])
            .kubectl("events")
            .kubectl("events --types=Warning --no-headers")
            .kubectl("events --for boat/a")
            .kubectl("events --for boat/none")
            .kubectl("get events")
            .kubectl("get events.events.k8s.io -o name")
            .kubectl("get events --field-selector type=Warning -o custom-columns=R:.reason,M:.message"),
        case("events-of-a-boat")
            .create([boat("a", &json!({}))])
            .code("events of the boat", |stage| {
                Box::pin(async move {
                    let boat = stage.get("{boats}/a").await;
                    let uid = &boat["body"]["metadata"]["uid"];
                    stage.create(&old("a", &json!({"involvedObject": {"uid": uid}, "lastTimestamp": "2001-02-03T05:05:06Z"}))).await;
                    stage.create(&new("b", &json!({"regarding": {"uid": uid}}))).await["status"].clone()
                })
            })
            .kubectl("describe boat a"),
        case("events-that-are-watched")
            .start("get events -w -o name")
            .create([old("a", &json!({}))])
            .lines(1)
            .create([new("b", &json!({}))])
            .lines(2)
            .end(),
        case("events-of-a-pod")
            .create([pod("p", "exit 0")])
            .until("{core}/pods/p", "/status/phase", "Succeeded")
            .until_started()
            .kubectl("events --for pod/p --no-headers")
            .seen(in_any_order)
            .kubectl("get events --no-headers -o custom-columns=R:.reason,M:.message,T:.type,O:.involvedObject.kind")
            .seen(lines_in_any_order),
    ]
}
