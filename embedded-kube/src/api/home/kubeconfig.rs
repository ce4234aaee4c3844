//! How clients reach the server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// A kubeconfig, as JSON, of a user with a token, whose commands are about that namespace when they name none.
#[must_use]
pub fn kubeconfig(server: &str, authority: &str, user: &str, token: &str, namespace: &str) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "embedded",
            "cluster": {"server": server, "certificate-authority-data": STANDARD.encode(authority)},
        }],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "embedded", "context": {"cluster": "embedded", "user": user, "namespace": namespace}}],
        "current-context": "embedded",
    });
    format!("{config:#}\n")
}
