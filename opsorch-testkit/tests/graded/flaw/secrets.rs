//! Faults that give a secret away.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use opsorch::transport::{Reply, Request, StatusCode, Transport};
use opsorch::{Error, Result};

use super::Fault::Desk;
use super::Flaw;
use crate::desk::DeskFlaw;

pub const FLAWS: &[Flaw] = &[
    Flaw {
        name: "writes its token into the address",
        caught_by: &["TK-140"],
        fault: Desk(DeskFlaw::Request(writes_its_token_into_the_address)),
    },
    Flaw { name: "shows its token in `Debug`", caught_by: &["TK-141"], fault: Desk(DeskFlaw::Debug) },
    Flaw {
        name: "repeats what the vendor says as it is",
        caught_by: &["TK-142"],
        fault: Desk(DeskFlaw::Reply(repeats_the_vendor)),
    },
    Flaw {
        name: "traces its headers",
        caught_by: &["TK-143"],
        fault: Desk(DeskFlaw::Request(|request| {
            tracing::debug!(authorization = token(&request), "a request is sent");
            request
        })),
    },
    Flaw {
        name: "takes its token along wherever it is sent",
        caught_by: &["TK-144"],
        fault: Desk(DeskFlaw::Send(follows_with_everything)),
    },
    Flaw {
        name: "is graded against a double that lets everyone in",
        caught_by: &["TK-145"],
        fault: Desk(DeskFlaw::OpenDouble),
    },
];

fn token(request: &Request) -> &str {
    request.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn writes_its_token_into_the_address(mut request: Request) -> Request {
    let token = token(&request).to_owned();
    request.url.query_pairs_mut().append_pair("token", &token);
    request
}

fn repeats_the_vendor(_: &Request, reply: Result<Reply>) -> Result<Reply> {
    let reply = reply?;
    match reply.status {
        StatusCode::BAD_REQUEST => {
            Err(Error::invalid("request", String::from_utf8_lossy(&reply.body).into_owned()).not_applied())
        }
        _ => Ok(reply),
    }
}

fn follows_with_everything(transport: Arc<dyn Transport>, request: Request) -> BoxFuture<'static, Result<Reply>> {
    async move {
        let reply = transport.send(request.clone()).await?;
        let Some(location) = reply.header("location").and_then(|location| location.parse().ok()) else {
            return Ok(reply);
        };
        let mut next = Request::new(request.method.clone(), location).timeout(request.timeout);
        next.headers = request.headers;
        transport.send(next).await
    }
    .boxed()
}
