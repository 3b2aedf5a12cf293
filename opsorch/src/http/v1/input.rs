//! Bodies and queries of what is no operation.

use axum::extract::Request;
use axum::response::Response;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::operations::unread;
use crate::http::app::App;
use crate::http::body;
use crate::{Error, Result};

/// Reads a JSON body. The outer error has its answer already: a body that is too large or broke off.
pub(super) async fn body<T: DeserializeOwned>(app: &App, request: Request) -> Result<Result<T>, Response> {
    let limit = app.options.body_limit;
    let bytes = body::read(request.into_body(), limit).await.map_err(|error| unread(error, limit))?;
    let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        Error::invalid(if path == "." { "body".to_owned() } else { path }, error.into_inner().to_string())
    });
    Ok(value.and_then(|value| {
        let trailing = |error: serde_json::Error| Error::invalid("body", error.to_string());
        deserializer.end().map_err(trailing).map(|()| value)
    }))
}

/// Numbers in the query of an address, by these names; another name, or one that is there twice, is refused.
pub(super) fn numbers<const N: usize>(query: Option<&str>, names: [&str; N]) -> Result<[Option<u64>; N]> {
    let mut numbers = [None; N];
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let known = names.iter().position(|known| *known == name).and_then(|index| numbers.get_mut(index));
        let Some(place @ None) = known else {
            let message = format!("expected each of these at most once: {}", names.join(", "));
            return Err(Error::invalid("address", message));
        };
        let refused = || Error::invalid(name.to_string(), "expected a whole number from 0 to 2^64-1");
        *place = Some(value.parse().map_err(|_| refused())?);
    }
    Ok(numbers)
}
