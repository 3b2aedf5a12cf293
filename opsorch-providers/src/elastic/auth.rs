//! Credentials.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opsorch::secret::Secret;
use opsorch::transport::{Auth, Client};
use opsorch::{BuildEnv, Error, Result};

use super::{ElasticConfig, about};

/// What the cluster asks for.
pub(super) struct Credentials {
    field: &'static str,
    auth: Auth,
    /// The secret as it was configured, where another spelling of it is sent.
    spelled: Option<Secret>,
}

impl Credentials {
    /// Looks up what is configured. An API key comes before a user and a password, as in OpsOrch.
    pub(super) async fn of(config: &ElasticConfig, env: &BuildEnv) -> Result<Self> {
        let known = |field, auth| Self { field, auth, spelled: None };
        match (&config.api_key, &config.bearer, &config.username, &config.password) {
            (Some(_), Some(_), ..) => Err(Error::invalid("bearer", "expected either `api_key` or `bearer`, got both")),
            (None, Some(_), Some(_), _) | (None, Some(_), _, Some(_)) => {
                Err(Error::invalid("bearer", "expected either `bearer` or a user with a password, got both"))
            }
            (Some(key), ..) => Ok(Self::api_key(env.secret(key).await?)),
            (_, Some(token), ..) => Ok(known("bearer", Auth::bearer(env.secret(token).await?))),
            (.., Some(user), Some(password)) => Ok(known("password", Auth::basic(user, env.secret(password).await?))),
            (.., Some(_), None) => Err(Error::invalid("password", "expected the password of `username`, got none")),
            (.., None, Some(_)) => Err(Error::invalid("username", "expected the user of `password`, got none")),
            (.., None, None) => Ok(known("auth", Auth::None)),
        }
    }

    /// `ID:KEY` is encoded as Elasticsearch wants it. What is encoded already holds no colon.
    fn api_key(key: Secret) -> Self {
        let encoded = key.expose().contains(':').then(|| Secret::new(STANDARD.encode(key.expose().as_bytes())));
        let (sent, spelled) = match encoded {
            Some(encoded) => (encoded, Some(key)),
            None => (key, None),
        };
        Self { field: "api_key", auth: Auth::scheme("ApiKey ", sent), spelled }
    }

    pub(super) fn given_to(&self, client: Client) -> Result<Client> {
        let client = client.auth(self.auth.clone()).map_err(|error| about(self.field, error))?;
        Ok(match &self.spelled {
            Some(secret) => client.redact(secret),
            None => client,
        })
    }
}
