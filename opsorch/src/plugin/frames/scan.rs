//! Where a JSON object ends, found a piece at a time.

/// Looks for the brace that closes an object, and remembers where it was between reads.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) at: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// One past the closing brace.
    pub(super) fn end(&mut self, buffer: &[u8]) -> Option<usize> {
        for byte in buffer.get(self.at..).unwrap_or_default() {
            self.at += 1;
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(self.at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
