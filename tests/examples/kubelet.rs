//! The control plane of `make test-kubelet`: it prints what a kubelet and its users need, as one line of JSON, and ends when
//! its input does. Usage: `kubelet NODE ADDRESS`

#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

use std::io::Read;

use aggregator_tests::control_plane::ControlPlane;
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(node), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: kubelet NODE ADDRESS".into());
    };
    let plane = ControlPlane::start();
    plane.install();
    let identity = plane.identity(&node, &address);
    let printed = json!({
        "program": plane.program(),
        "kubeconfig": plane.kubeconfig(),
        "server": plane.url(),
        "node": {
            "kubeconfig": identity.kubeconfig,
            "certificate": identity.certificate,
            "key": identity.key,
            "clients": identity.clients,
        },
    });
    println!("{printed}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
