//! Styled text, how mrkdwn writes it, and where it can be cut.

use std::borrow::Cow;
use std::fmt::Write;

/// The longest link that is written as one, in the units of [`length`].
const LONGEST_LINK: usize = 2_000;

/// How many characters Slack counts: we count as JavaScript does, which is never fewer than it may.
pub(super) fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Whether a text is longer than a limit. It looks no further.
fn is_longer(text: &str, limit: usize) -> bool {
    text.encode_utf16().nth(limit).is_some()
}

/// A piece of text of one style.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Run {
    pub(super) text: String,
    pub(super) style: Style,
    pub(super) link: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) bold: bool,
    pub(super) italic: bool,
    pub(super) strike: bool,
    pub(super) code: bool,
}

impl Style {
    pub(super) const BOLD: Self = Self { bold: true, italic: false, strike: false, code: false };
    pub(super) const CODE: Self = Self { bold: false, italic: false, strike: false, code: true };

    /// The style without code, which stands inside the others.
    fn around(self) -> Self {
        Self { code: false, ..self }
    }
}

impl Run {
    /// Text that means nothing but itself.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style, link: None }
    }
}

/// A line: what stands before it, such as a bullet, what stands before the rest of it where it is cut, and its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line {
    pub(super) first: String,
    pub(super) rest: String,
    pub(super) runs: Vec<Run>,
}

impl Line {
    pub(super) fn new(runs: impl IntoIterator<Item = Run>) -> Self {
        Self { runs: runs.into_iter().collect(), ..Self::default() }
    }

    /// The line in mrkdwn.
    pub(super) fn mrkdwn(&self) -> String {
        let mut text = self.first.clone();
        for group in self.runs.chunk_by(|one, next| one.style.around() == next.style.around()) {
            let style = group.first().map(|run| run.style).unwrap_or_default();
            wrap(&group.iter().map(inner).collect::<String>(), style, &mut text);
        }
        text
    }

    /// The line as one or more, none longer in mrkdwn than the limit. Cut between words where possible.
    pub(super) fn cut(mut self, limit: usize) -> Vec<Self> {
        let mut lines = Vec::new();
        while self.is_longer(limit) {
            let at = self.cut_at(limit);
            let rest = self.split_off(at);
            lines.push(std::mem::replace(&mut self, rest));
        }
        lines.push(self);
        lines
    }

    /// Whether it is longer than the limit in mrkdwn, which is never shorter than the text.
    fn is_longer(&self, limit: usize) -> bool {
        self.runs.iter().flat_map(|run| run.text.chars()).nth(limit).is_some() || length(&self.mrkdwn()) > limit
    }

    /// How many characters of the text fit, at least one.
    fn cut_at(&self, limit: usize) -> usize {
        let window: Vec<char> = self.runs.iter().flat_map(|run| run.text.chars()).take(limit + 1).collect();
        let (mut fits, mut too_many) = (1, window.len() + 1);
        while fits + 1 < too_many {
            let middle = fits.midpoint(too_many);
            match length(&self.head(middle).mrkdwn()) <= limit {
                true => fits = middle,
                false => too_many = middle,
            }
        }
        let mut cut = best_cut(&window, fits);
        // Less text can be longer in mrkdwn: without its backtick it is code again.
        while cut > 1 && length(&self.head(cut).mrkdwn()) > limit {
            cut -= 1;
        }
        cut
    }

    fn head(&self, characters: usize) -> Self {
        let mut head = Self { first: self.first.clone(), ..Self::default() };
        let mut left = characters;
        for run in &self.runs {
            let text: String = run.text.chars().take(left).collect();
            left -= text.chars().count();
            head.runs.push(Run { text, ..run.clone() });
            if left == 0 {
                break;
            }
        }
        head
    }

    /// Cuts after so many characters, and returns the rest.
    fn split_off(&mut self, characters: usize) -> Self {
        let (mut left, mut index) = (characters, 0);
        while let Some(run) = self.runs.get_mut(index) {
            let count = run.text.chars().count();
            if left < count {
                let at = run.text.char_indices().nth(left).map_or(run.text.len(), |(at, _)| at);
                let tail = Run { text: run.text.split_off(at), ..run.clone() };
                let runs = std::iter::once(tail).chain(self.runs.drain(index + 1..)).collect();
                return Self { first: self.rest.clone(), rest: self.rest.clone(), runs };
            }
            left -= count;
            index += 1;
        }
        Self { first: self.rest.clone(), rest: self.rest.clone(), runs: Vec::new() }
    }
}

/// A text as several, none longer than the limit, that make the same text together. Cut after lines, else after words.
pub(super) fn pieces(text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while is_longer(rest, limit) {
        let mut units = 0;
        let window: Vec<char> = rest
            .chars()
            .take_while(|character| {
                units += character.len_utf16();
                units <= limit
            })
            .collect();
        let line = window.iter().rposition(|character| *character == '\n').map(|at| at + 1);
        let next: Vec<char> = rest.chars().take(window.len() + 1).collect();
        let cut = line.unwrap_or_else(|| best_cut(&next, window.len()));
        let at = rest.char_indices().nth(cut).map_or(rest.len(), |(at, _)| at);
        let (piece, tail) = rest.split_at(at);
        pieces.push(piece);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

/// The text with at most so many characters, the last of them an ellipsis where there were more.
pub(super) fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    match is_longer(text, limit) {
        false => Cow::Borrowed(text),
        true => {
            pieces(text, limit.saturating_sub(1)).first().map_or(Cow::Borrowed(""), |head| format!("{head}…").into())
        }
    }
}

/// Writes out what mrkdwn would take for a mention, a link or an entity.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return Cow::Borrowed(text);
    }
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").into()
}

/// The text of a link, where it can be one. Only what opens a page or a letter: `<!channel>` and `<@U1>` have the form of
/// links too.
pub(super) fn link(destination: &str) -> Option<String> {
    let is_known = ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| destination.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let mut link = String::with_capacity(destination.len());
    for character in destination.chars() {
        match character {
            '|' | '<' | '>' | '"' => write!(link, "%{:02X}", u32::from(character)).ok()?,
            space if space.is_whitespace() || space.is_control() => return None,
            other => link.push(other),
        }
    }
    (is_known && length(&escape(&link)) <= LONGEST_LINK).then_some(link)
}

/// A run without the styles around it.
fn inner(run: &Run) -> String {
    let text = escape(&run.text);
    match &run.link {
        Some(link) if text.trim().is_empty() => format!("<{}>", escape(link)),
        Some(link) => format!("<{}|{text}>", escape(link)),
        // There is no way to write a backtick into code.
        None if run.style.code && !text.contains('`') && !text.trim().is_empty() => format!("`{text}`"),
        None => text.into_owned(),
    }
}

/// Puts the marks of a style around a text; white space stays outside, where the marks would mean nothing.
fn wrap(text: &str, style: Style, to: &mut String) {
    let marks: String =
        [(style.bold, '*'), (style.italic, '_'), (style.strike, '~')].iter().filter(|it| it.0).map(|it| it.1).collect();
    let core = text.trim();
    if core.is_empty() || marks.is_empty() {
        to.push_str(text);
        return;
    }
    let (before, after) = text.split_once(core).unwrap_or_default();
    to.push_str(before);
    to.push_str(&marks);
    to.push_str(core);
    to.extend(marks.chars().rev());
    to.push_str(after);
}

/// Where to cut so that at most `most` characters come before: after a space in the second half, else not within what is
/// seen as one character.
fn best_cut(window: &[char], most: usize) -> usize {
    let most = most.clamp(1, window.len().max(1));
    let head = window.get(..most).unwrap_or_default();
    if most >= window.len() {
        return most;
    }
    if let Some(space) = head.iter().rposition(|character| character.is_whitespace()).filter(|at| at * 2 >= most) {
        return space + 1;
    }
    let mut cut = most;
    while cut > 1 && cut + 32 > most && joins(window, cut) {
        cut -= 1;
    }
    if joins(window, cut) { most } else { cut }
}

/// Whether the characters around a place are seen as one.
fn joins(window: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| window.get(before));
    let continues = |character: &char| matches!(character, '\u{300}'..='\u{36f}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}');
    before == Some(&'\u{200d}') || window.get(at).is_some_and(continues)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bold(text: &str) -> Run {
        Run::styled(text, Style::BOLD)
    }

    #[test]
    fn marks_stand_at_words() {
        let line = Line::new([Run::plain("a"), bold(" b "), Run::plain("c")]);
        assert_eq!(line.mrkdwn(), "a *b* c");
        let line = Line::new([bold("see "), Run::styled("x", Style { code: true, ..Style::BOLD })]);
        assert_eq!(line.mrkdwn(), "*see `x`*");
        assert_eq!(Line::new([Run::styled("a`b", Style::CODE)]).mrkdwn(), "a`b", "code cannot hold a backtick");
    }

    #[test]
    fn only_addresses_are_links() {
        assert_eq!(link("https://x/?a=b|c>d").unwrap(), "https://x/?a=b%7Cc%3Ed");
        assert_eq!(link("HTTPS://x").unwrap(), "HTTPS://x");
        for other in ["!channel", "@U123", "#C123", "!subteam^S1", "javascript:x", "", "https://x y", "é"] {
            assert_eq!(link(other), None, "{other}");
        }
    }

    #[test]
    fn an_emoji_at_the_border_is_not_cut() {
        let family = "👩\u{200d}👩\u{200d}👧";
        let text = format!("{}{family}", "x".repeat(8));
        assert_eq!(pieces(&text, 10), ["xxxxxxxx", family]);
    }

    proptest! {
        #[test]
        fn a_line_that_is_cut_loses_nothing(text in "[a-z &<>`*👩é]{1,400}", limit in 24_usize..80) {
            let line = Line::new([Run::plain(&text), bold(&text)]);
            let lines = line.cut(limit);
            prop_assert!(lines.iter().all(|line| length(&line.mrkdwn()) <= limit));
            let joined: String = lines.iter().flat_map(|line| &line.runs).map(|run| run.text.as_str()).collect();
            prop_assert_eq!(joined, format!("{text}{text}"));
        }

        #[test]
        fn pieces_make_the_text(text in any::<String>(), limit in 2_usize..40) {
            let pieces = pieces(&text, limit);
            prop_assert!(pieces.iter().all(|piece| length(piece) <= limit));
            prop_assert_eq!(pieces.concat(), text);
        }
    }
}
