//! The table `[secrets]`: which store a control plane has.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use url::Url;

use super::{
    AwsCredentials, AwsKms, DirectorySecrets, EnvironmentSecrets, JsonSecrets, SecretRef, SecretStore, VaultAuth,
    VaultSecrets,
};
use crate::{BuildEnv, Error, Result};

/// The secret store of a control plane: the table `[secrets]` of a configuration, or `OPSORCH_SECRET_PROVIDER` with the keys
/// of its kind in `OPSORCH_SECRET_CONFIG`.
///
/// | kind | keys |
/// |---|---|
/// | `environment` | `prefix` |
/// | `directory` | `path`, `readable_by_others` |
/// | `json` | `path` |
/// | `encrypted-file` | `path`; one of `key` (32 bytes in base64), `passphrase` and `kms`; `former_keys` |
/// | `vault` | `url`; `token`, or `role_id` and `secret_id` (with `auth_mount`); `mount`, `prefix`, `field`, `namespace` |
/// | `plugin` (feature `plugin`) | `path`, and what else a plugin has, but for `operations` |
///
/// Keys, passphrases and tokens are references to the environment or to files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum SecretsConfig {
    /// Environment variables: [`EnvironmentSecrets`].
    #[non_exhaustive]
    Environment {
        /// What their names begin with.
        #[serde(default)]
        prefix: String,
    },
    /// Files in a directory: [`DirectorySecrets`].
    #[non_exhaustive]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Whether files that others can read are accepted.
        #[serde(default)]
        readable_by_others: bool,
    },
    /// The JSON file of OpsOrch: [`JsonSecrets`].
    #[non_exhaustive]
    Json {
        /// The file.
        path: PathBuf,
    },
    /// An encrypted file; needs the cargo feature `encryption`.
    #[non_exhaustive]
    EncryptedFile {
        /// The file.
        path: PathBuf,
        /// Its key.
        key: Option<SecretRef>,
        /// The passphrase of its key.
        passphrase: Option<SecretRef>,
        /// The service that wraps its key.
        kms: Option<AwsKmsConfig>,
        /// Keys that open it too, until it is encrypted anew.
        #[serde(default)]
        former_keys: Vec<SecretRef>,
    },
    /// HashiCorp Vault: [`VaultSecrets`].
    #[non_exhaustive]
    Vault {
        /// The address of the server.
        url: Url,
        /// A token.
        token: Option<SecretRef>,
        /// The id of an AppRole, in place of a token.
        role_id: Option<String>,
        /// The secret id of the AppRole.
        secret_id: Option<SecretRef>,
        /// Where the AppRole method is mounted; `approle`.
        auth_mount: Option<String>,
        /// Where the engine is mounted; `secret`.
        mount: Option<String>,
        /// The folder within the engine.
        prefix: Option<String>,
        /// The field of an entry that is the secret; `value`.
        field: Option<String>,
        /// The namespace.
        namespace: Option<String>,
    },
    /// A program of yours: [`PluginSecrets`](super::PluginSecrets).
    #[cfg(feature = "plugin")]
    Plugin(Box<crate::plugin::PluginConfig>),
}

/// A key of AWS KMS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AwsKmsConfig {
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// The id, the ARN or an alias of the key.
    pub key_id: String,
    /// The address of the service, where it is not that of the region.
    pub endpoint: Option<Url>,
    /// The id of an access key.
    pub access_key_id: SecretRef,
    /// The access key.
    pub secret_access_key: SecretRef,
    /// The token of temporary credentials.
    pub session_token: Option<SecretRef>,
}

impl SecretsConfig {
    /// Opens the store. The references in it are resolved by the environment that is given; it makes no request, but starts a
    /// plugin.
    ///
    /// # Errors
    /// `Invalid` with the path, such as `secrets.key`, for what cannot be meant; `Unsupported` for an encrypted file without the
    /// cargo feature `encryption`, and for Vault and KMS without a transport; for a plugin those of its start.
    pub async fn open(&self, env: &BuildEnv) -> Result<Arc<dyn SecretStore>> {
        match self {
            Self::Environment { prefix } => Ok(Arc::new(EnvironmentSecrets::new(prefix))),
            Self::Directory { path, readable_by_others: false } => Ok(Arc::new(DirectorySecrets::new(path))),
            Self::Directory { path, .. } => Ok(Arc::new(DirectorySecrets::new(path).readable_by_others())),
            Self::Json { path } => Ok(Arc::new(JsonSecrets::new(path))),
            Self::EncryptedFile { .. } => self.open_encrypted_file(env).await,
            Self::Vault { .. } => self.open_vault(env).await,
            #[cfg(feature = "plugin")]
            Self::Plugin(plugin) => Ok(Arc::new(super::PluginSecrets::start((**plugin).clone(), env).await?)),
        }
    }

    #[cfg(feature = "encryption")]
    async fn open_encrypted_file(&self, env: &BuildEnv) -> Result<Arc<dyn SecretStore>> {
        use super::{EncryptedFile, EncryptionKey, Key};

        let Self::EncryptedFile { path, key, passphrase, kms, former_keys } = self else { return Err(another_kind()) };
        let key = match (key, passphrase, kms) {
            (Some(key), None, None) => EncryptionKey::from(Key::from_secret(&env.secret(key).await?)?),
            (None, Some(passphrase), None) => EncryptionKey::from_passphrase(env.secret(passphrase).await?)?,
            (None, None, Some(kms)) => EncryptionKey::from_kms(Arc::new(kms.open(env).await?)),
            _ => return Err(Error::invalid("secrets.key", "expected exactly one of `key`, `passphrase` and `kms`")),
        };
        let mut file = EncryptedFile::new(path, key);
        for former in former_keys {
            file = file.former_key(Key::from_secret(&env.secret(former).await?)?);
        }
        Ok(Arc::new(file))
    }

    #[cfg(not(feature = "encryption"))]
    async fn open_encrypted_file(&self, _: &BuildEnv) -> Result<Arc<dyn SecretStore>> {
        Err(Error::unsupported("the store `encrypted-file` needs the cargo feature `encryption` of the crate opsorch"))
    }

    async fn open_vault(&self, env: &BuildEnv) -> Result<Arc<dyn SecretStore>> {
        let Self::Vault { url, token, role_id, secret_id, auth_mount, mount, prefix, field, namespace } = self else {
            return Err(another_kind());
        };
        let auth = match (token, role_id) {
            (Some(token), None) if secret_id.is_none() && auth_mount.is_none() => {
                VaultAuth::token(env.secret(token).await?)
            }
            (None, Some(role_id)) => {
                let secret_id = match secret_id {
                    Some(secret_id) => Some(env.secret(secret_id).await?),
                    None => None,
                };
                let mount = auth_mount.clone().unwrap_or_else(|| "approle".to_owned());
                VaultAuth::AppRole { mount, role_id: role_id.clone(), secret_id }
            }
            _ => {
                let message = "expected either `token`, or `role_id` with its `secret_id`";
                return Err(Error::invalid("secrets.token", message));
            }
        };
        let mut vault = VaultSecrets::new(env.transport()?, url.clone(), auth)?.clock(env.clock());
        vault = mount.iter().fold(vault, |vault, mount| vault.mount(mount));
        vault = prefix.iter().fold(vault, |vault, prefix| vault.prefix(prefix));
        vault = field.iter().fold(vault, |vault, field| vault.field(field));
        if let Some(namespace) = namespace {
            vault = vault.namespace(namespace)?;
        }
        Ok(Arc::new(vault))
    }
}

impl AwsKmsConfig {
    /// The key of this configuration.
    ///
    /// # Errors
    /// As [`SecretsConfig::open`].
    pub async fn open(&self, env: &BuildEnv) -> Result<AwsKms> {
        let id = env.secret(&self.access_key_id).await?;
        let mut credentials = AwsCredentials::new(id.expose(), env.secret(&self.secret_access_key).await?);
        if let Some(token) = &self.session_token {
            credentials = credentials.session_token(env.secret(token).await?);
        }
        let kms = AwsKms::new(env.transport()?, &self.region, &self.key_id, credentials)?.clock(env.clock());
        match &self.endpoint {
            Some(endpoint) => kms.endpoint(env.transport()?, endpoint.clone()),
            None => Ok(kms),
        }
    }
}

fn another_kind() -> Error {
    Error::unexpected("the secret store is of another kind")
}
