//! Secrets in manifests: where they belong, and where they do not.

use super::scene::Scene;

/// Broken in every way that people break a manifest: the mistake is told, without the text around it.
pub(super) fn broken(scene: &mut Scene) {
    let secret =
        |body: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: NAME, namespace: test}}\n{body}\n");
    let connector = |spec: &str| {
        format!(
            "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {{name: NAME, namespace: test}}\nspec: {spec}\n"
        )
    };
    let http = |fields: &str| connector(&format!("{{http: {{endpoints: [{{name: a, path: /a}}], {fields}}}}}"));
    let postgres = |fields: &str| connector(&format!("{{postgres: {{database: d, username: u, {fields}}}}}"));
    let cases = [
        ("data that is no base64", secret("data: {password: \"{}!\"}")),
        ("data that is a list", secret("data: [{}]")),
        ("stringData that is a text", secret("stringData: {}")),
        ("stringData with a list", secret("stringData: {password: [{}]}")),
        ("stringData with a mapping", secret("stringData: {password: {a: {}}}")),
        ("stringData with an open quote", secret("stringData: {password: \"{}}")),
        ("stringData with an open bracket", secret("stringData: {password: {}\nmore: [")),
        ("stringData with an alias without an anchor", secret("stringData:\n  password: *{}")),
        ("stringData with an unknown escape", secret("stringData:\n  password: \"\\q{}\"")),
        ("stringData with a stray colon", secret("stringData:\n  password: {}: more: and")),
        ("stringData with a stray bracket", secret("stringData:\n  password: ]{}")),
        ("stringData with a tab", secret("stringData:\n\tpassword: {}")),
        ("stringData with a duplicate key", secret("stringData: {password: {}, password: x}")),
        ("a Secret without a name", "apiVersion: v1\nkind: Secret\nstringData: {password: {}}\n".to_owned()),
        ("a misspelt kind", secret("stringData: {password: {}}").replace("kind: Secret", "kind: Secrets")),
        ("an inline password", postgres("host: h, password: {}")),
        ("an inline password in a list", postgres("host: h, password: [{}]")),
        ("a value for a key", postgres("host: h, password: {secretKey: \"{} $\"}")),
        ("a misspelt field", postgres("host: h, passwort: {}")),
        ("an address for a host", postgres("host: \"postgres://u:{}@h/d\"")),
        ("an address without a scheme for a host", postgres("host: \"u:{}@h\"")),
        ("an inline token", http("url: \"http://h\", auth: {bearer: {token: {}}}")),
        ("an inline key", http("url: \"http://h\", auth: {apiKey: {name: k, value: {}}}")),
        ("an unknown way to sign", http("url: \"http://h\", auth: {token: {}}")),
        ("user information of `url`", http("url: \"http://u:{}@h\"")),
        ("a `url` that is none", http("url: \"http://u:{}@[h\"")),
        ("a `url` of another scheme", http("url: \"ftp://u:{}@h\"")),
        (
            "user information of `tokenUrl`",
            http(
                "url: \"http://h\", auth: {oauth2ClientCredentials: {tokenUrl: \"http://u:{}@h\", clientId: c, clientSecret: {secretKey: k}}}",
            ),
        ),
        ("an inline `Authorization`", http("url: \"http://h\", headers: {Authorization: Bearer {}}")),
        ("an inline `Cookie`", http("url: \"http://h\", headers: {Cookie: a={}}")),
        ("an inline authority", http("url: \"http://h\", ca: {pem: {}}")),
    ];
    for (index, (place, text)) in cases.iter().enumerate() {
        let canary = scene.canaries.plant_read(place);
        scene.give(&format!("broken/{index}.yaml"), text.replace("{}", &canary).replace("NAME", &format!("a{index}")));
    }
    for (command, code) in [("lint", 2), ("lint -o json", 2), ("connectors check", 2), ("plan -o json", 2)] {
        let said = scene.run(&format!("{command} -f given/broken"), code);
        for (index, (place, _)) in cases.iter().enumerate().filter(|_| command.starts_with("lint")) {
            assert!(said.stdout.contains(&format!("given/broken/{index}.yaml")), "{place}: {}", said.stdout);
        }
    }
}
