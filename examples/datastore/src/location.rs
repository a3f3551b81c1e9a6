//! Where a datastore is, as options and environment say it.

use core::fmt;
use core::time::Duration;
use std::path::{Path, PathBuf};

use crate::{Datastore, Error, Options};

/// Where a datastore is.
///
/// # Example
///
/// ```
/// use tortie_datastore::Location;
///
/// let environment = |name: &str| (name == "ETCD_ENDPOINTS").then(|| "http://10.0.0.1:2379".to_owned());
/// let Location::Etcd(options) = Location::choose(None, environment)? else { panic!("no etcd") };
/// assert_eq!(options.endpoints, ["http://10.0.0.1:2379"]);
/// // A file that was named comes before endpoints that happen to be in the environment.
/// let file = Location::choose(Some("/var/lib/tortie/tortie.db".as_ref()), environment)?;
/// assert_eq!(file.to_string(), "/var/lib/tortie/tortie.db");
/// # Ok::<(), tortie_datastore::LocationError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// The file of an embedded store.
    File(PathBuf),
    /// An etcd cluster. To open it needs the feature `etcd`.
    Etcd(EtcdOptions),
}

/// How an etcd cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EtcdOptions {
    /// The members' addresses, `http://host:port` or `https://host:port`; all of one kind.
    pub endpoints: Vec<String>,
    /// Who we are, where the cluster asks. Default: nobody.
    pub credentials: Option<Credentials>,
    /// File with the certificates (PEM) that members' certificates must come from; `https` needs it.
    pub ca_cert: Option<PathBuf>,
    /// Files with our own certificate and its key (PEM), where members ask for it.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// How long an operation is tried, connections and pauses included. Default 10 s.
    pub timeout: Duration,
}

/// A user and a password. `Debug` shows the user alone.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "vocabulary that callers build with literals")]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why options and environment name no datastore.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// Nothing names one.
    #[error("no datastore is named: give its file, or set ETCD_ENDPOINTS")]
    Missing,
    /// `DATASTORE_TYPE` is something else.
    #[error("DATASTORE_TYPE is `{0}`: it must be `embedded` or `etcdv3`")]
    UnknownType(String),
    /// `DATASTORE_TYPE` is `etcdv3`, but there are no endpoints.
    #[error("DATASTORE_TYPE is `etcdv3`, but ETCD_ENDPOINTS is not set")]
    NoEndpoints,
    /// A setting that asks for what is not built.
    #[error("{0} is not supported: set ETCD_ENDPOINTS")]
    Unsupported(&'static str),
    /// A setting that means nothing without another.
    #[error("{present} is set, but {missing} is not")]
    Half {
        /// The one that is there.
        present: &'static str,
        /// The one that it needs.
        missing: &'static str,
    },
    /// An endpoint that is no address.
    #[error("the endpoint `{0}` must begin with `http://` or `https://`, all in the same way")]
    Endpoint(String),
    /// Encrypted endpoints whom nobody vouches for.
    #[error("`https` endpoints need ETCD_CA_CERT_FILE: the certificates that theirs must come from")]
    Untrusted,
    /// Certificates for endpoints that are not encrypted.
    #[error("{0} is set, but the endpoints are not `https`")]
    Plain(&'static str),
}

/// The program was built without the feature `etcd`.
#[cfg(not(feature = "etcd"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this program was built without etcd: build it with the feature `etcd`")]
struct WithoutEtcd;

impl EtcdOptions {
    /// A cluster with these members, without encryption or credentials.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            credentials: None,
            ca_cert: None,
            identity: None,
            timeout: Duration::from_secs(10),
        }
    }

    /// Sets who we are.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials { user: user.into(), password: password.into() });
        self
    }

    /// Sets the file with the certificates that members' certificates must come from.
    #[must_use]
    pub fn ca_cert(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_cert = Some(file.into());
        self
    }

    /// Sets the files with our own certificate and its key.
    #[must_use]
    pub fn identity(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((cert.into(), key.into()));
        self
    }

    /// Sets how long an operation is tried.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether the parts fit together.
    ///
    /// # Errors
    ///
    /// What does not.
    pub fn check(&self) -> Result<(), LocationError> {
        if self.endpoints.is_empty() {
            return Err(LocationError::NoEndpoints);
        }
        let encrypted = self.endpoints.iter().any(|endpoint| endpoint.starts_with("https://"));
        let scheme = if encrypted { "https://" } else { "http://" };
        let rest = |endpoint: &str| endpoint.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty());
        if let Some(wrong) = self.endpoints.iter().find(|endpoint| !rest(endpoint)) {
            return Err(LocationError::Endpoint(wrong.clone()));
        }
        match (encrypted, &self.ca_cert, &self.identity) {
            (true, None, _) => Err(LocationError::Untrusted),
            (false, Some(_), _) => Err(LocationError::Plain("ETCD_CA_CERT_FILE")),
            (false, None, Some(_)) => Err(LocationError::Plain("ETCD_CERT_FILE")),
            _ => Ok(()),
        }
    }

    fn from_settings(setting: impl Fn(&str) -> Option<String>) -> Result<Self, LocationError> {
        if setting("ETCD_DISCOVERY_SRV").is_some() {
            return Err(LocationError::Unsupported("ETCD_DISCOVERY_SRV"));
        }
        let endpoints = setting("ETCD_ENDPOINTS").unwrap_or_default();
        let endpoints = endpoints.split(',').map(str::trim).filter(|endpoint| !endpoint.is_empty());
        let options = Self {
            credentials: both(&setting, "ETCD_USERNAME", "ETCD_PASSWORD")?
                .map(|(user, password)| Credentials { user, password }),
            ca_cert: setting("ETCD_CA_CERT_FILE").map(PathBuf::from),
            identity: both(&setting, "ETCD_CERT_FILE", "ETCD_KEY_FILE")?
                .map(|(cert, key)| (cert.into(), key.into())),
            ..Self::new(endpoints)
        };
        options.check()?;
        Ok(options)
    }
}

/// Two settings of which neither means anything without the other.
fn both(
    setting: impl Fn(&str) -> Option<String>,
    first: &'static str,
    second: &'static str,
) -> Result<Option<(String, String)>, LocationError> {
    match (setting(first), setting(second)) {
        (Some(first), Some(second)) => Ok(Some((first, second))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(LocationError::Half { present: first, missing: second }),
        (None, Some(_)) => Err(LocationError::Half { present: second, missing: first }),
    }
}

impl Location {
    /// Where options and environment say that the datastore is.
    ///
    /// `file` is the file that an option names; `setting` gives a setting by its name in the environment. The names are
    /// those of the reference (calico@87c15906f2 libcalico-go/lib/apiconfig): `DATASTORE_TYPE` is `etcdv3` or `embedded`;
    /// unset, a file that is named comes before `ETCD_ENDPOINTS`. For etcd: `ETCD_ENDPOINTS` (with commas between),
    /// `ETCD_USERNAME`, `ETCD_PASSWORD`, `ETCD_CA_CERT_FILE`, `ETCD_CERT_FILE`, `ETCD_KEY_FILE`. What is empty is unset.
    ///
    /// # Errors
    ///
    /// What is missing, or does not fit together.
    pub fn choose(
        file: Option<&Path>,
        setting: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, LocationError> {
        let setting = |name: &str| setting(name).filter(|value| !value.is_empty());
        let file = file.filter(|path| !path.as_os_str().is_empty());
        let kind = setting("DATASTORE_TYPE");
        match (kind.as_deref(), file) {
            (Some("embedded") | None, Some(file)) => Ok(Self::File(file.to_owned())),
            (Some("etcdv3"), _) => Ok(Self::Etcd(EtcdOptions::from_settings(setting)?)),
            (None, None) if setting("ETCD_ENDPOINTS").is_some() => {
                Ok(Self::Etcd(EtcdOptions::from_settings(setting)?))
            }
            (Some("embedded") | None, None) => Err(LocationError::Missing),
            (Some(other), _) => Err(LocationError::UnknownType(other.to_owned())),
        }
    }

    /// [`Location::choose`] with the settings of this process's environment.
    ///
    /// # Errors
    ///
    /// As [`Location::choose`].
    pub fn from_env(file: Option<&Path>) -> Result<Self, LocationError> {
        Self::choose(file, |name| std::env::var(name).ok())
    }

    /// Opens the datastore; a file that is not there is brought into being.
    ///
    /// A cluster is not spoken with before the first operation, which must be inside a Tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when a file cannot be opened; [`Error::Refused`] when this program was built without etcd, or
    /// certificates cannot be read.
    pub fn open(&self) -> Result<Datastore, Error> {
        self.open_as(true)
    }

    /// Opens the datastore, which must be there already.
    ///
    /// # Errors
    ///
    /// As [`Location::open`].
    pub fn open_existing(&self) -> Result<Datastore, Error> {
        self.open_as(false)
    }

    fn open_as(&self, create: bool) -> Result<Datastore, Error> {
        match self {
            Self::File(path) => Ok(Options::default().create(create).open(path)?.into()),
            #[cfg(feature = "etcd")]
            Self::Etcd(options) => Ok(crate::Etcd::new(options)?.into()),
            #[cfg(not(feature = "etcd"))]
            Self::Etcd(_) => Err(Error::refused(WithoutEtcd)),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Etcd(options) => f.write_str(&options.endpoints.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(file: Option<&str>, settings: &[(&str, &str)]) -> Result<Location, LocationError> {
        Location::choose(file.map(Path::new), |name| {
            settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_file_or_a_cluster_is_chosen() {
        let file = Location::File("/d".into());
        let endpoints = ("ETCD_ENDPOINTS", "http://a:1, http://b:2,");
        let cluster = Location::Etcd(EtcdOptions::new(["http://a:1", "http://b:2"]));
        assert_eq!(choose(Some("/d"), &[]), Ok(file.clone()));
        assert_eq!(choose(Some("/d"), &[endpoints]), Ok(file.clone()));
        assert_eq!(choose(Some("/d"), &[endpoints, ("DATASTORE_TYPE", "embedded")]), Ok(file));
        assert_eq!(choose(Some("/d"), &[endpoints, ("DATASTORE_TYPE", "etcdv3")]), Ok(cluster.clone()));
        assert_eq!(choose(None, &[endpoints]), Ok(cluster.clone()));
        assert_eq!(choose(Some(""), &[endpoints, ("DATASTORE_TYPE", "")]), Ok(cluster));
    }

    #[test]
    fn everything_that_a_cluster_may_ask_for_is_read() {
        let settings = [
            ("ETCD_ENDPOINTS", "https://a:1"),
            ("ETCD_USERNAME", "u"),
            ("ETCD_PASSWORD", "secret"),
            ("ETCD_CA_CERT_FILE", "/ca"),
            ("ETCD_CERT_FILE", "/cert"),
            ("ETCD_KEY_FILE", "/key"),
        ];
        let location = choose(None, &settings).unwrap();
        let want = EtcdOptions::new(["https://a:1"]).credentials("u", "secret").ca_cert("/ca");
        assert_eq!(location, Location::Etcd(want.identity("/cert", "/key")));
        assert!(!format!("{location:?} {location}").contains("secret"));
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        use LocationError::*;
        let http = ("ETCD_ENDPOINTS", "http://a:1");
        let https = ("ETCD_ENDPOINTS", "https://a:1");
        let half = |present, missing| Half { present, missing };
        let vectors: [(&[(&str, &str)], LocationError); 13] = [
            (&[], Missing),
            (&[("DATASTORE_TYPE", "embedded"), http], Missing),
            (&[("DATASTORE_TYPE", "kubernetes")], UnknownType("kubernetes".into())),
            (&[("DATASTORE_TYPE", "etcdv3")], NoEndpoints),
            (&[("ETCD_ENDPOINTS", ","), ("DATASTORE_TYPE", "etcdv3")], NoEndpoints),
            (&[http, ("ETCD_DISCOVERY_SRV", "example.org")], Unsupported("ETCD_DISCOVERY_SRV")),
            (&[http, ("ETCD_USERNAME", "u")], half("ETCD_USERNAME", "ETCD_PASSWORD")),
            (&[https, ("ETCD_KEY_FILE", "/k")], half("ETCD_KEY_FILE", "ETCD_CERT_FILE")),
            (&[("ETCD_ENDPOINTS", "a:1")], Endpoint("a:1".into())),
            (&[("ETCD_ENDPOINTS", "http://a:1,https://b:1")], Endpoint("http://a:1".into())),
            (&[https], Untrusted),
            (&[http, ("ETCD_CA_CERT_FILE", "/ca")], Plain("ETCD_CA_CERT_FILE")),
            (&[http, ("ETCD_CERT_FILE", "/c"), ("ETCD_KEY_FILE", "/k")], Plain("ETCD_CERT_FILE")),
        ];
        for (settings, want) in vectors {
            assert_eq!(choose(None, settings), Err(want), "{settings:?}");
        }
    }

    #[cfg(not(feature = "etcd"))]
    #[test]
    fn a_program_without_etcd_says_so() {
        let error = Location::Etcd(EtcdOptions::new(["http://a:1"])).open().unwrap_err();
        assert!(
            matches!(&error, Error::Refused(_)) && error.to_string().contains("feature `etcd`"),
            "{error}"
        );
    }
}
