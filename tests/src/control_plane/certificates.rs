//! Who the parts, the administrator and the nodes are: an authority of the control plane's own, certificates and
//! kubeconfigs.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::json;

use super::{file, parts};

/// The authority's certificate.
pub(super) const AUTHORITY: &str = "ca.crt";
/// The API server's certificate.
pub(super) const SERVER: &str = "server.crt";
/// Its key.
pub(super) const SERVER_KEY: &str = "server.key";
/// The key that signs the tokens of ServiceAccounts.
pub(super) const TOKEN_KEY: &str = "tokens.key";
/// What they are verified with.
pub(super) const TOKEN_PUBLIC_KEY: &str = "tokens.pub";

/// The certificate by which the API server shows a node who it is.
pub(super) const NODE_CLIENT: &str = "node-client.crt";
/// Its key.
pub(super) const NODE_CLIENT_KEY: &str = "node-client.key";
/// The authority of that certificate, and of no other.
pub(super) const NODE_CLIENT_AUTHORITY: &str = "node-client-ca.crt";

/// The user of the tests.
pub(super) const ADMIN: &str = "admin";
/// The user who acts as others, of whom the audit log tells.
pub(super) const STAND_IN: &str = "stand-in";
/// The controller manager's user name, to which the API server binds its rights.
pub(super) const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";
/// The scheduler's.
pub(super) const SCHEDULER: &str = "system:kube-scheduler";

/// Writes everything into the folder, for an API server of that address on 127.0.0.1.
/// Gives back the authority, which may certify nodes.
pub(super) fn write(home: &Path, url: &str) -> Issuer<'static, KeyPair> {
    let authority = authority(home, AUTHORITY);

    let names = ["127.0.0.1", "localhost", parts::SERVICE].map(str::to_owned);
    let mut server = CertificateParams::new(names).unwrap();
    server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    certify(&authority, &server, home, SERVER, SERVER_KEY);

    let tokens = KeyPair::generate().unwrap();
    write_secret(&home.join(TOKEN_KEY), &tokens.serialize_pem());
    std::fs::write(home.join(TOKEN_PUBLIC_KEY), tokens.public_key_pem()).unwrap();

    // Whoever has a certificate by this authority may read every log of a node, so it is not the one of the users.
    let mut client = CertificateParams::new(Vec::new()).unwrap();
    client.distinguished_name.push(DnType::CommonName, "kube-apiserver-kubelet-client");
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let clients = self::authority(home, NODE_CLIENT_AUTHORITY);
    certify(&clients, &client, home, NODE_CLIENT, NODE_CLIENT_KEY);

    // The group that may do everything.
    kubeconfig(&authority, home, url, ADMIN, Some("system:masters"));
    kubeconfig(&authority, home, url, STAND_IN, Some("system:masters"));
    kubeconfig(&authority, home, url, CONTROLLER_MANAGER, None);
    kubeconfig(&authority, home, url, SCHEDULER, None);
    authority
}

/// An authority that somebody else has written.
pub(super) fn read(certificate: &Path, key: &Path) -> Issuer<'static, KeyPair> {
    let text =
        |file: &Path| std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let key = KeyPair::from_pem(&text(key)).unwrap();
    Issuer::from_ca_cert_pem(&text(certificate), key).unwrap()
}

/// Who a node is, as files.
pub struct Identity {
    /// What it asks the API server with.
    pub kubeconfig: PathBuf,
    /// The certificate that it shows when it is asked.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority of those who may ask it.
    pub clients: PathBuf,
}

/// Writes who a node is, which is asked at that address, into the folder.
pub(super) fn write_node(
    authority: &Issuer<'_, KeyPair>,
    home: &Path,
    url: &str,
    name: &str,
    address: &str,
) -> Identity {
    let user = format!("system:node:{name}");
    let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
    let identity = Identity {
        kubeconfig: home.join(format!("{user}.kubeconfig")),
        certificate: home.join(&certificate),
        key: home.join(&key),
        clients: home.join(NODE_CLIENT_AUTHORITY),
    };
    if identity.kubeconfig.exists() {
        // An earlier node of that name.
        return identity;
    }
    let mut server = CertificateParams::new([address.to_owned()]).unwrap();
    server.distinguished_name.push(DnType::CommonName, name);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    certify(authority, &server, home, &certificate, &key);
    kubeconfig(authority, home, url, &user, Some("system:nodes"));
    identity
}

fn authority(home: &Path, certificate: &str) -> Issuer<'static, KeyPair> {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(DnType::CommonName, "aggregator-test-authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(home.join(certificate), authority.self_signed(&key).unwrap().pem()).unwrap();
    Issuer::new(authority, key)
}

/// Writes a certificate and its new key.
fn certify(authority: &Issuer<'_, KeyPair>, subject: &CertificateParams, home: &Path, certificate: &str, key: &str) {
    let pair = KeyPair::generate().unwrap();
    std::fs::write(home.join(certificate), subject.signed_by(&pair, authority).unwrap().pem()).unwrap();
    write_secret(&home.join(key), &pair.serialize_pem());
}

/// Writes a kubeconfig and the certificate that it names. Kubernetes takes a certificate's common name for the user's
/// name, and its organisation for the group.
fn kubeconfig(authority: &Issuer<'_, KeyPair>, home: &Path, url: &str, user: &str, group: Option<&str>) {
    let mut subject = CertificateParams::new(Vec::new()).unwrap();
    subject.distinguished_name.push(DnType::CommonName, user);
    if let Some(group) = group {
        subject.distinguished_name.push(DnType::OrganizationName, group);
    }
    subject.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let (certificate, key) = (format!("{user}.crt"), format!("{user}.key"));
    certify(authority, &subject, home, &certificate, &key);
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": url, "certificate-authority": file(home, AUTHORITY)}}],
        "users": [{
            "name": user,
            "user": {"client-certificate": file(home, &certificate), "client-key": file(home, &key)},
        }],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user}}],
        "current-context": "tests",
    });
    std::fs::write(home.join(format!("{user}.kubeconfig")), config.to_string()).unwrap();
}

/// Writes what others may not read.
fn write_secret(path: &Path, text: &str) {
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
