//! The word for a severity in a plain message.

/// The bytes at the beginning of a message in which a severity is looked for.
const SEVERITY_WITHIN: usize = 64;

/// The word for a severity near the beginning of a message: one in capitals, or one in brackets. Other words that
/// mean a severity may as well be a part of the sentence.
pub(super) fn severity_in(message: &str) -> Option<&str> {
    const WORDS: [&str; 16] = [
        "TRACE", "DEBUG", "FINE", "INFO", "NOTICE", "WARN", "WARNING", "ERR", "ERROR", "SEVERE", "CRIT", "CRITICAL",
        "FATAL", "PANIC", "ALERT", "EMERG",
    ];
    let near = message.get(..message.floor_char_boundary(SEVERITY_WITHIN)).unwrap_or(message);
    let mut before = ' ';
    let mut rest = near;
    while let Some(start) = rest.find(|next: char| next.is_ascii_alphabetic()) {
        before = rest.get(..start)?.chars().next_back().unwrap_or(before);
        rest = rest.get(start..)?;
        let end = rest.find(|next: char| !next.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        // The word may go on beyond what was looked at.
        let next = after.chars().next().or_else(|| message.get(near.len()..)?.chars().next()).unwrap_or(' ');
        let is_alone =
            matches!(before, ' ' | '\t' | '[' | '(' | '|') && matches!(next, ' ' | '\t' | ']' | ')' | '|' | ':' | ',');
        // `[error]`, and `[core:error]` of Apache.
        let is_in_brackets = matches!(before, '[' | ':') && next == ']';
        if is_alone && WORDS.contains(&word) || is_in_brackets && WORDS.contains(&&*word.to_ascii_uppercase()) {
            return Some(word);
        }
        before = word.chars().next_back().unwrap_or(before);
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_severity_is_found_as_a_word_near_the_beginning_and_nowhere_else() {
        for (message, word) in [
            ("ERROR disk full", Some("ERROR")),
            (" - root - WARNING - disk full", Some("WARNING")),
            ("[main] INFO com.example - started", Some("INFO")),
            ("[error] 12#0: upstream", Some("error")),
            ("[core:error] [pid 7] AH0", Some("error")),
            ("FATAL: password", Some("FATAL")),
            ("a:error b", None),
            ("no error was found", None),
            ("INFORMATION for you", None),
            ("GET /ERROR/INFO.html", None),
            ("level_ERROR=1", None),
            ("XERROR ERRORX", None),
        ] {
            assert_eq!(severity_in(message), word, "{message}");
        }
        assert_eq!(severity_in(&format!("{}ERROR", " ".repeat(SEVERITY_WITHIN))), None);
        let across = format!("{}INFORMATION", " ".repeat(SEVERITY_WITHIN - 4));
        assert_eq!(severity_in(&across), None, "a word that goes on is another word");
    }
}
