//! The authority of an embedded cluster, by which clients know the server, and the server knows the node.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::{Home, HomeError};

/// The authority's certificate and key, in PEM.
const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";

/// Who certifies. Its key stays in the folder.
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

/// A certificate with its key, in PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// The folder's authority; it is made, if there is none.
    ///
    /// # Errors
    /// When its files cannot be used.
    pub fn open(home: &Home) -> Result<Self, HomeError> {
        let file = home.file(CERTIFICATE);
        let failed = |source| HomeError::Certificate { path: file.clone(), source };
        let key = home.once(KEY, || KeyPair::generate().map(|key| key.serialize_pem()).map_err(failed))?;
        let key = KeyPair::from_pem(&key).map_err(failed)?;
        let mut own = CertificateParams::default();
        own.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        own.distinguished_name.push(DnType::CommonName, "embedded-kube");
        let certificate =
            home.once(CERTIFICATE, || own.self_signed(&key).map(|certificate| certificate.pem()).map_err(failed))?;
        Ok(Self { certificate, issuer: Issuer::new(own, key), file })
    }

    /// Its certificate, in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate of a server of these names or addresses.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn server(&self, names: &[&str]) -> Result<Identity, HomeError> {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let params = CertificateParams::new(names).map_err(|source| self.failed(source))?;
        self.certify(params, "kube-apiserver", None, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate of a client: a user, and its group.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Identity, HomeError> {
        self.certify(CertificateParams::default(), user, group, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn failed(&self, source: rcgen::Error) -> HomeError {
        HomeError::Certificate { path: self.file.clone(), source }
    }

    fn certify(
        &self,
        mut params: CertificateParams,
        name: &str,
        group: Option<&str>,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity, HomeError> {
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().map_err(|source| self.failed(source))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|source| self.failed(source))?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}
