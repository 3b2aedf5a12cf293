//! What a plugin writes, cut into messages. Memory is bounded whatever it writes.

mod scan;

use std::io::{self, BufRead as _};

use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use zeroize::{Zeroize as _, Zeroizing};

use self::scan::Scan;
use super::line::{self, Answer};
use super::wire::FRAME_BYTES;

/// How much is read at a time, and how little room for it is too little: what was read is shared with those who read it, so
/// that more room is new memory.
const CHUNK: usize = 64 * 1024;
const LITTLE: usize = 4 * 1024;

/// How much of a line that is no message is kept, to log it.
const NOISE: usize = 4 * 1024;

/// Bytes that were read and not yet understood.
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: BytesMut,
    /// How much of the buffer was looked at in vain.
    seen: usize,
    /// A line that is no message is being skipped.
    skipping: bool,
    /// Where the scan for the end of a JSON object is.
    scan: Scan,
    /// What was read holds secrets: no copy of it stays here.
    wipes: bool,
}

/// The frame is longer than 8 MiB.
#[derive(Debug, PartialEq)]
pub(super) struct TooLong;

/// What came from a plugin of the line protocol.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// An object that is a reply: of the line protocol, or the text of one of protocol 2.
    Answer(Answer),
    /// An object with a member `jsonrpc`.
    Rpc(Bytes),
    /// A reply that cannot be read.
    Broken(String),
    /// A line that is no reply.
    Noise(Bytes),
}

impl Frames {
    /// Frames that hold secrets: what is taken out is wiped here, and after use.
    pub(super) fn of_secrets() -> Self {
        Self { wipes: true, ..Self::default() }
    }

    /// Waits until something can be read, and reads it, but not more than a plugin that never stops writing may have at a
    /// time; `false` at the end of the stream.
    pub(super) async fn read(&mut self, pipe: &mut Receiver) -> io::Result<bool> {
        if self.buffer.capacity() - self.buffer.len() < LITTLE {
            self.buffer.reserve(CHUNK);
        }
        loop {
            match pipe.read_buf(&mut self.buffer).await {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map(|bytes| bytes > 0),
            }
        }
    }

    #[cfg(test)]
    fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line, without its line break.
    pub(super) fn line(&mut self) -> Result<Option<Bytes>, TooLong> {
        match self.find_break() {
            Some(end) => {
                if end >= FRAME_BYTES {
                    return Err(TooLong);
                }
                let mut line = self.take(end + 1);
                line.truncate(end);
                Ok(Some(line))
            }
            None if self.buffer.len() >= FRAME_BYTES => Err(TooLong),
            None => Ok(None),
        }
    }

    fn find_break(&mut self) -> Option<usize> {
        let mut rest = self.buffer.get(self.seen..).unwrap_or_default();
        // The standard library's only fast search for a byte; reading from memory does not fail.
        let skipped = rest.skip_until(b'\n').unwrap_or_default();
        self.seen += skipped;
        let end = self.seen.checked_sub(1).filter(|_| skipped > 0)?;
        if self.buffer.get(end) != Some(&b'\n') {
            return None;
        }
        self.seen = end;
        Some(end)
    }

    /// The next reply of the line protocol, or what stands between replies.
    pub(super) fn piece(&mut self) -> Result<Option<Piece>, TooLong> {
        if self.skipping && !self.skip_line() {
            return Ok(None);
        }
        let blank = self.buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if self.scan.at == 0 && blank > 0 {
            let _ = self.buffer.split_to(blank);
            self.seen = self.seen.saturating_sub(blank);
        }
        match self.buffer.first() {
            None => Ok(None),
            Some(b'{') => self.object(),
            Some(_) => Ok(self.noise()),
        }
    }

    /// An object, which may span lines.
    fn object(&mut self) -> Result<Option<Piece>, TooLong> {
        if self.scan.at == 0 {
            match self.begins_like_json() {
                Some(true) => {}
                Some(false) => return Ok(self.noise()),
                None if self.buffer.len() >= FRAME_BYTES => return Err(TooLong),
                None => return Ok(None),
            }
        }
        let Some(end) = self.scan.end(&self.buffer) else {
            return if self.buffer.len() >= FRAME_BYTES { Err(TooLong) } else { Ok(None) };
        };
        if end > FRAME_BYTES {
            return Err(TooLong);
        }
        self.scan = Scan::default();
        Ok(Some(understand(self.take(end))))
    }

    /// Takes so many bytes out.
    fn take(&mut self, bytes: usize) -> Bytes {
        self.seen = 0;
        let mut taken = self.buffer.split_to(bytes);
        if !self.wipes {
            return taken.freeze();
        }
        let copy = Bytes::from_owner(Zeroizing::new(taken.to_vec()));
        taken.zeroize();
        copy
    }

    /// Whether what follows the brace is a name or an end: `{ starting up` must not swallow what follows. `None` if it is not
    /// there yet.
    fn begins_like_json(&self) -> Option<bool> {
        let rest = self.buffer.iter().skip(1).find(|byte| !byte.is_ascii_whitespace());
        rest.map(|byte| matches!(byte, b'"' | b'}'))
    }

    /// A line that is no reply; the start of it, if it has no end yet.
    fn noise(&mut self) -> Option<Piece> {
        match self.find_break() {
            Some(end) => {
                let mut line = self.take(end + 1);
                line.truncate(end.min(NOISE));
                Some(Piece::Noise(line))
            }
            None if self.buffer.len() > NOISE => {
                self.skipping = true;
                Some(Piece::Noise(self.take(NOISE)))
            }
            None => None,
        }
    }

    /// Drops the rest of a line; whether its end was there.
    fn skip_line(&mut self) -> bool {
        match self.find_break() {
            Some(end) => {
                let _ = self.buffer.split_to(end + 1);
                (self.seen, self.skipping) = (0, false);
                true
            }
            None => {
                self.buffer.clear();
                self.seen = 0;
                false
            }
        }
    }
}

fn understand(text: Bytes) -> Piece {
    match serde_json::from_slice::<Map<String, Value>>(&text) {
        Ok(members) if members.contains_key("jsonrpc") => Piece::Rpc(text),
        Ok(members) => match line::answer(members) {
            Answer::Noise => Piece::Noise(text.slice(..text.len().min(NOISE))),
            answer => Piece::Answer(answer),
        },
        Err(error) if is_meant_as_reply(&text) => {
            Piece::Broken(format!("malformed JSON at line {}, column {}", error.line(), error.column()))
        }
        Err(_) => Piece::Noise(text.slice(..text.len().min(NOISE))),
    }
}

/// Whether an object that cannot be read was meant as a reply.
fn is_meant_as_reply(text: &[u8]) -> bool {
    let start = String::from_utf8_lossy(text.get(..200.min(text.len())).unwrap_or_default());
    ["\"result\"", "\"error\"", "\"jsonrpc\""].iter().any(|name| start.contains(name))
}

/// The id of a reply of protocol 2 that cannot be read, where it stands near the beginning and is certainly that of the
/// reply: an id inside of the result is somebody else's.
pub(super) fn id_of_broken(text: &[u8]) -> Option<u64> {
    let start = String::from_utf8_lossy(text.get(..200.min(text.len())).unwrap_or_default()).into_owned();
    let (before, rest) = start.split_once("\"id\"")?;
    if before.matches(['{', '[']).count() != 1 {
        return None;
    }
    let digits = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = digits.find(|character: char| !character.is_ascii_digit())?;
    digits.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pieces(parts: &[&[u8]]) -> Vec<Piece> {
        let mut frames = Frames::default();
        let mut found = Vec::new();
        for part in parts {
            frames.push(part);
            while let Some(piece) = frames.piece().unwrap() {
                found.push(piece);
            }
        }
        found
    }

    fn answers(text: &str) -> Vec<Piece> {
        pieces(&[text.as_bytes()]).into_iter().filter(|piece| !matches!(piece, Piece::Noise(_))).collect()
    }

    fn result(value: Value) -> Piece {
        Piece::Answer(Answer::Result(Some(value)))
    }

    #[test]
    fn replies_are_found_between_log_lines_pretty_printed_and_without_a_line_break() {
        let text = "starting\n{ not json\n{oops}\n{\"level\":\"info\",\"msg\":\"x\"}\n{\n  \"result\": [\n    \"}\"\n  ]\n}\nbye\n{\"result\":1}{\"error\":\"no\"}";
        let error = Piece::Answer(Answer::Error(None, "no".into()));
        assert_eq!(answers(text), [result(json!(["}"])), result(json!(1)), error]);
    }

    #[test]
    fn a_reply_that_cannot_be_read_is_told_from_noise() {
        for text in ["{\"result\": NaN}\n", "{\"result\": [1,,2]}\n"] {
            assert!(matches!(answers(text).as_slice(), [Piece::Broken(_)]), "{text}");
        }
        let invalid = pieces(&[b"{\"result\":\"\xff\"}\n{\"result\":2}\n"]);
        assert!(matches!(invalid.as_slice(), [Piece::Broken(_), Piece::Answer(_)]), "{invalid:?}");
    }

    #[test]
    fn frames_of_secrets_are_the_same_and_nothing_of_them_stays() {
        let mut frames = Frames::of_secrets();
        frames.push(b"{\"result\":\"canary\"}\nnoise\n{\"result\":1}");
        let pieces: Vec<_> = std::iter::from_fn(|| frames.piece().unwrap()).collect();
        assert_eq!(pieces, [result(json!("canary")), Piece::Noise(Bytes::from_static(b"noise")), result(json!(1))]);
        assert!(frames.buffer.is_empty());
        frames.push(b"{\"id\":1}\n{\"id\":2}\n");
        assert_eq!(frames.line().unwrap().unwrap(), "{\"id\":1}");
        assert_eq!(frames.line().unwrap().unwrap(), "{\"id\":2}");
    }

    #[test]
    fn a_line_of_noise_without_an_end_is_not_kept() {
        let mut frames = Frames::default();
        for _ in 0..100 {
            frames.push(&[b'x'; 100_000]);
            while frames.piece().unwrap().is_some() {}
            assert!(frames.buffer.len() <= 100_000);
        }
        frames.push(b"\n{\"result\":1}\n");
        assert_eq!(frames.piece(), Ok(Some(result(json!(1)))));
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused() {
        let mut frames = Frames::default();
        frames.push(b"{\"result\":\"");
        frames.push(&vec![b'x'; FRAME_BYTES]);
        assert_eq!(frames.piece(), Err(TooLong));
        let mut frames = Frames::default();
        frames.push(&vec![b'x'; FRAME_BYTES]);
        assert_eq!(frames.line(), Err(TooLong));
    }

    #[test]
    fn a_brace_and_nothing_but_blanks_is_refused_at_the_limit() {
        let mut frames = Frames::default();
        frames.push(b"{");
        for _ in 0..FRAME_BYTES / (1 << 20) - 1 {
            frames.push(&vec![b' '; 1 << 20]);
            assert_eq!(frames.piece(), Ok(None));
        }
        frames.push(&vec![b'\n'; 1 << 20]);
        assert_eq!(frames.piece(), Err(TooLong));
    }

    #[test]
    fn the_id_of_a_broken_reply_is_found() {
        assert_eq!(id_of_broken(br#"{"jsonrpc": "2.0", "id" : 17, "result": NaN}"#), Some(17));
        assert_eq!(id_of_broken(br#"{"result": NaN}"#), None);
        assert_eq!(id_of_broken(br#"{"id": "x"}"#), None);
        assert_eq!(
            id_of_broken(br#"{"jsonrpc":"2.0","result":{"id":5,"x":NaN},"id":9}"#),
            None,
            "5 is not the reply's"
        );
        assert_eq!(id_of_broken(br#"{"result":[{"id":5}],"x":NaN,"id":9}"#), None);
    }

    const REPLIES: [&str; 5] = [
        "{\"jsonrpc\":\"2.0\",\"id\":17,\"result\":{\"items\":[{\"id\":\"T-1\",\"n\":1e300}],\"next\":null}}\n",
        "{\"jsonrpc\": \"2.0\", \"id\": 18, \"error\": {\"code\": -32000, \"message\": \"no\", \"data\": {\"retryAfter\": 5}}}\n",
        "{\n  \"result\": [\n    \"}\\\"\\u20ac\"\n  ]\n}",
        "{\"error\":\"not found\",\"code\":\"not_found\"}",
        "level=info msg=\"starting\"\n{ not json\n",
    ];

    fn every_piece_and_line_of(bytes: &[u8]) {
        let mut frames = Frames::default();
        frames.push(bytes);
        while let Ok(Some(piece)) = frames.piece() {
            if let Piece::Rpc(text) = piece {
                let _ = id_of_broken(&text);
            }
        }
        let mut frames = Frames::default();
        frames.push(bytes);
        while let Ok(Some(line)) = frames.line() {
            let _ = id_of_broken(&line);
        }
    }

    proptest! {
        #[test]
        fn where_the_stream_is_cut_does_not_matter(cut in 0usize..96, noise in "[a-z ]{0,12}", text in ".{0,12}") {
            let reply = json!({ "result": { "text": text, "list": [{}, "{["] } });
            let stream = format!("{noise}\n{reply:#}\n{reply}\n");
            let cut = cut.min(stream.len());
            let (one, two) = stream.as_bytes().split_at(cut);
            let found: Vec<_> = pieces(&[one, two]).into_iter().filter(|piece| !matches!(piece, Piece::Noise(_))).collect();
            prop_assert_eq!(found, [result(reply["result"].clone()), result(reply["result"].clone())]);
        }

        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_a_frame(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            every_piece_and_line_of(&bytes);
        }

        /// What plugins do write, with some bytes of it changed, cut off or repeated.
        #[test]
        fn no_damage_to_replies_makes_it_panic(
            replies in proptest::collection::vec(proptest::sample::select(REPLIES.as_slice()), 1..4),
            damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..300_usize), 0..4),
        ) {
            let mut bytes = replies.concat().into_bytes();
            for (at, byte, times) in damage {
                let at = at.index(bytes.len());
                bytes.splice(at..=at, std::iter::repeat_n(byte, times));
                bytes.push(b'\n');
            }
            every_piece_and_line_of(&bytes);
        }
    }
}
