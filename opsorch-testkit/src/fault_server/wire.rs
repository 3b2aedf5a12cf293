//! HTTP/1.1 by hand: as much as it takes to read a request, and to answer it badly.

use std::io;
use std::time::Duration;

use opsorch::transport::{Bytes, HeaderMap, HeaderName, HeaderValue, Method, Reply, Request, Url};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::NetworkFault;

/// The longest head of a request.
const HEAD_LIMIT: usize = 64 * 1024;

/// The largest body of a request.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// What is sent of a huge body at once.
const SPACES: [u8; 16 * 1024] = [b' '; 16 * 1024];

/// Reads one request; `None` for what is none.
pub(super) async fn read(stream: &mut TcpStream, base: &Url) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > HEAD_LIMIT || stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(end + 4);
    let request = parse_head(std::str::from_utf8(&bytes).ok()?, base)?;
    let length = match request.headers.get("content-length") {
        Some(length) => length.to_str().ok()?.parse().ok()?,
        None if request.headers.contains_key("transfer-encoding") => return None,
        None => 0,
    };
    if length > BODY_LIMIT {
        return None;
    }
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    body.truncate(length);
    Some(request.body(body))
}

fn parse_head(head: &str, base: &Url) -> Option<Request> {
    let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
    let mut start = lines.next()?.split(' ');
    let (method, target) = (Method::from_bytes(start.next()?.as_bytes()).ok()?, start.next()?);
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.append(HeaderName::try_from(name).ok()?, HeaderValue::from_str(value.trim()).ok()?);
    }
    // By hand: joined to the base, a target such as `//x` would become a host.
    let url = format!("{}{target}", base.as_str().trim_end_matches('/')).parse().ok()?;
    Some(Request::new(method, url).headers(headers))
}

/// Does what was asked for and ends the connection.
pub(super) async fn answer(mut stream: TcpStream, fault: NetworkFault) -> io::Result<()> {
    match fault {
        NetworkFault::Answer(reply) => {
            stream.write_all(&head(&reply, Length::Known)).await?;
            stream.write_all(&reply.body).await?;
        }
        NetworkFault::Reset => return stream.set_zero_linger(),
        NetworkFault::ResetAfterHeaders(reply) => {
            stream.write_all(&head(&reply, Length::Known)).await?;
            return stream.set_zero_linger();
        }
        NetworkFault::CutBody(reply) => {
            stream.write_all(&head(&reply, Length::Known)).await?;
            stream.write_all(half(&reply.body)).await?;
        }
        NetworkFault::CutChunk(reply) => {
            stream.write_all(&head(&reply, Length::Chunked)).await?;
            stream.write_all(format!("{:x}\r\n", reply.body.len().max(1)).as_bytes()).await?;
            stream.write_all(half(&reply.body)).await?;
        }
        NetworkFault::Trickle { reply, every } => {
            stream.write_all(&head(&reply, Length::Known)).await?;
            trickle(&mut stream, &reply.body, every).await?;
        }
        NetworkFault::SlowHeaders { every } => {
            trickle(&mut stream, b"HTTP/1.1 200 OK\r\n", every).await?;
            loop {
                trickle(&mut stream, b"x-slow: yes\r\n", every).await?;
            }
        }
        NetworkFault::Garbage => stream.write_all(b"\x16\x03\x01 this is not HTTP\r\n\r\n").await?,
        NetworkFault::Hang => return until_closed(&mut stream).await,
        NetworkFault::HugeBody { bytes } => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await?;
            spaces(&mut stream, bytes).await?;
        }
    }
    stream.shutdown().await?;
    until_closed(&mut stream).await
}

/// How the length of a body is told.
enum Length {
    Known,
    Chunked,
}

/// The status line and the headers. What frames the body is ours to say, whatever the answer's own headers say.
fn head(reply: &Reply, length: Length) -> Bytes {
    let mut head = format!("HTTP/1.1 {}\r\nconnection: close\r\n", reply.status).into_bytes();
    let framing = match length {
        Length::Known => format!("content-length: {}\r\n", reply.body.len()),
        Length::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
    };
    head.extend_from_slice(framing.as_bytes());
    for (name, value) in &reply.headers {
        if !["connection", "content-length", "transfer-encoding"].contains(&name.as_str()) {
            head.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

fn half(body: &[u8]) -> &[u8] {
    body.get(..body.len() / 2).unwrap_or_default()
}

async fn trickle(stream: &mut TcpStream, bytes: &[u8], every: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    for byte in bytes {
        // No time is no time: the clock of a runtime would make a millisecond of it.
        match every {
            Duration::ZERO => tokio::task::yield_now().await,
            every => tokio::time::sleep(every).await,
        }
        stream.write_all(&[*byte]).await?;
    }
    Ok(())
}

async fn spaces(stream: &mut TcpStream, mut left: u64) -> io::Result<()> {
    while left > 0 {
        let length = usize::try_from(left).map_or(SPACES.len(), |left| left.min(SPACES.len()));
        stream.write_all(SPACES.get(..length).unwrap_or_default()).await?;
        left = left.saturating_sub(SPACES.len() as u64);
    }
    Ok(())
}

/// Waits for the client to close: closing while something unread is left would reset the connection.
async fn until_closed(stream: &mut TcpStream) -> io::Result<()> {
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
