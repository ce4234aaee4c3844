//! The one place where a client of a store is built: address, keys, certificates, and how long it tries.

use std::sync::Arc;
use std::time::Duration;

use aggregator_crds::connector::S3Connector as Spec;
use aggregator_crds::secret::CertificateAuthority;
use aggregator_crds::validation::parse_duration;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::{BackoffConfig, Certificate, ClientOptions, HeaderValue, RetryConfig};
use url::Url;

use super::answer::WholeAnswers;
use super::bucket::Bucket;
use crate::connector::{Buffers, ConnectorError, Environment, ErrorKind, Result};

/// How long one request may take, unless the Connector says otherwise. A request carries a few MiB at most.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a request is tried again.
pub(super) const RETRIES: usize = 4;

/// What tells the identity of a Pod, by the names under which it is given in the environment.
const IDENTITY: [(&str, AmazonS3ConfigKey); 6] = [
    ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
];

/// A client of one bucket.
pub(super) struct Client {
    /// Sends the requests.
    pub(super) store: Arc<AmazonS3>,
    /// Who is asked, for messages.
    pub(super) address: String,
    bucket: String,
    prefix: String,
    buffers: Buffers,
}

impl Client {
    /// Reads the spec and the secrets. Reaches nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] and [`ErrorKind::Credentials`], naming the field.
    pub(super) fn new(spec: &Spec, environment: &Environment) -> Result<Self> {
        let operation = format!("open Connector `{}`", environment.name);
        let wrong = |field: &str, detail: String, remedy: &str| {
            ConnectorError::new(ErrorKind::Config, operation.clone(), format!("`{field}`: {detail}")).remedy(remedy)
        };
        let prefix = spec.prefix.as_deref().unwrap_or_default().trim_end_matches('/');
        if !prefix.is_empty() && prefix.split('/').any(|step| matches!(step, "" | "." | "..")) {
            return Err(wrong(
                "prefix",
                format!("`{prefix}` has an empty step, `.` or `..`"),
                "name folders, as `raw/in`",
            ));
        }
        let timeout = match &spec.timeout {
            Some(text) => {
                parse_duration(text).map_err(|error| wrong("timeout", error.to_string(), "write a time, as `30s`"))?
            }
            None => DEFAULT_TIMEOUT,
        };
        let region = spec.region.as_deref().unwrap_or("us-east-1");
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&spec.bucket)
            .with_region(region)
            .with_http_connector(WholeAnswers)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(100),
                    max_backoff: Duration::from_secs(5),
                    base: 2.0,
                },
                max_retries: RETRIES,
                // No further try begins behind this; a signature is good for a quarter of an hour.
                retry_timeout: (timeout * 3).min(Duration::from_secs(180)),
            });
        // A name with dots does not match the certificate of its host.
        let in_path = spec.path_style.unwrap_or(spec.endpoint.is_some() || spec.bucket.contains('.'));
        builder = builder.with_virtual_hosted_style_request(!in_path);
        let mut options = ClientOptions::new()
            .with_user_agent(HeaderValue::from_static(concat!("aggregator/", env!("CARGO_PKG_VERSION"))))
            .with_timeout(timeout)
            .with_connect_timeout(timeout.min(CONNECT_TIMEOUT))
            // A proxy that no host is asked through: the environment's is not used, as in other Connectors.
            .with_proxy_url("http://127.0.0.1:9")
            .with_proxy_excludes("*,0.0.0.0/0,::/0");
        let address = match &spec.endpoint {
            None => format!("AWS, region {region}"),
            Some(endpoint) => {
                let remedy = "write the address of the store, as `https://s3.example.org`";
                let url = Url::parse(endpoint).map_err(|error| wrong("endpoint", error.to_string(), remedy))?;
                let plain = match (url.scheme(), url.host_str()) {
                    ("http", Some(_)) => true,
                    ("https", Some(_)) => false,
                    _ => return Err(wrong("endpoint", "it is no http or https address".into(), remedy)),
                };
                if !url.username().is_empty() || url.password().is_some() {
                    return Err(wrong("endpoint", "it holds a user's name or password".into(), "use `credentials`"));
                }
                options = options.with_allow_http(plain);
                builder = builder.with_endpoint(endpoint_of(&url, &spec.bucket, in_path));
                url.as_str().trim_end_matches('/').to_owned()
            }
        };
        let ca = match &spec.ca {
            Some(CertificateAuthority::Pem(pem)) => Some(pem.clone()),
            Some(CertificateAuthority::SecretKey(key)) => Some(environment.secrets.text(key)?),
            None => None,
        };
        for certificate in ca.as_deref().map(certificates).transpose()?.into_iter().flatten() {
            options = options.with_root_certificate(certificate);
        }
        builder = with_keys(builder.with_client_options(options), spec, environment, &operation)?;
        let store = builder.build().map_err(|error| super::fault::of(&operation, &error))?;
        let (bucket, prefix, buffers) = (spec.bucket.clone(), prefix.to_owned(), environment.buffers);
        Ok(Self { store: Arc::new(store), address, bucket, prefix, buffers })
    }

    /// The bucket, to be worked with on the present runtime.
    pub(super) fn bucket(&self) -> Bucket {
        Bucket::new(self.store.clone(), &self.bucket, &self.prefix).with_buffers(self.buffers)
    }
}

/// The address with the bucket in its host, where it does not stand in the path.
fn endpoint_of(url: &Url, bucket: &str, in_path: bool) -> String {
    let address = url.as_str().trim_end_matches('/');
    match address.split_once("://") {
        Some((scheme, rest)) if !in_path => format!("{scheme}://{bucket}.{rest}"),
        _ => address.to_owned(),
    }
}

fn certificates(pem: &str) -> Result<Vec<Certificate>> {
    let wrong = |detail: String| {
        ConnectorError::new(ErrorKind::Config, "read the certificate authority `ca`", detail)
            .remedy("give PEM text with one or more `BEGIN CERTIFICATE` blocks")
    };
    let found = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() { Err(wrong("it holds no certificate".into())) } else { Ok(found) }
}

/// Signs with the keys of the Secret, or as the identity that a Pod was given.
fn with_keys(
    mut builder: AmazonS3Builder,
    spec: &Spec,
    environment: &Environment,
    operation: &str,
) -> Result<AmazonS3Builder> {
    if let Some(keys) = &spec.credentials {
        builder = builder
            .with_access_key_id(environment.secrets.text(&keys.access_key_id.secret_key)?)
            .with_secret_access_key(environment.secrets.text(&keys.secret_access_key.secret_key)?);
        return Ok(match &keys.session_token {
            Some(token) => builder.with_token(environment.secrets.text(&token.secret_key)?),
            None => builder,
        });
    }
    let mut given = false;
    for (name, key) in IDENTITY {
        if let Ok(value) = std::env::var(name) {
            given |= name != "AWS_ROLE_SESSION_NAME";
            builder = builder.with_config(key, value);
        }
    }
    if given {
        return Ok(builder);
    }
    let detail = "there are no `credentials`, and this process was given no identity of a Pod";
    Err(ConnectorError::new(ErrorKind::Credentials, operation, detail)
        .remedy("name the keys of the Secret in `credentials`; on a cluster, give the Pod's service account a role"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_stands_in_the_path_or_in_the_host() {
        let url = Url::parse("https://store.example:9000/").unwrap();
        assert_eq!(endpoint_of(&url, "lake", true), "https://store.example:9000");
        assert_eq!(endpoint_of(&url, "lake", false), "https://lake.store.example:9000");
    }
}
