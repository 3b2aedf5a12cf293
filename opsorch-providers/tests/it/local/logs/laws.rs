//! What is found, against filtering everything by hand.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_what_filtering_everything_by_hand_gives(
        files in prop::collection::vec(lines(), 1..4),
        limit in 1_u32..8,
        from in 0_u32..30,
        span in 0_u32..90,
        search in prop::option::of("[ab]"),
    ) {
        let files: Vec<_> = files.iter().map(|lines| file(lines)).collect();
        let mut expected: Vec<(u32, usize, usize, &str)> = Vec::new();
        for (file, (_, entries)) in files.iter().enumerate() {
            for (line, (second, message)) in entries.iter().enumerate() {
                let is_in = (from..from + span).contains(second);
                let is_found = search.as_ref().is_none_or(|search| message.to_lowercase().contains(search.as_str()));
                if is_in && is_found {
                    expected.push((*second, file, line, message.as_str()));
                }
            }
        }
        // Newest first; of the same second by path, and within a file from its end.
        expected.sort_by_key(|(second, file, line, _)| (std::cmp::Reverse(*second), *file, std::cmp::Reverse(*line)));

        let start = time("2025-12-01T00:00:00Z");
        let at = |second: u32| start + std::time::Duration::from_secs(second.into());
        let mut query = LogQuery::new(at(from), at(from + span)).limit(limit);
        if let Some(search) = search.as_deref() {
            query = query.search(search);
        }
        let names: Vec<_> = (0..files.len()).map(|index| format!("{index}.log")).collect();
        let texts: Vec<_> = names.iter().zip(&files).map(|(name, (text, _))| (name.as_str(), text.as_str())).collect();
        let (found, missing) = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            Logs::new(&texts).await.pages(&query, || {}).await
        });
        prop_assert_eq!(missing, Vec::<String>::new());
        let found: Vec<_> = found.iter().map(|entry| (entry.timestamp, entry.message.as_str())).collect();
        let expected: Vec<_> = expected.iter().map(|(second, _, _, message)| (at(*second), *message)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn old_lines_between_those_of_the_span_hide_none_of_them(
        // Old lines and then one of the span, several times: fewer old ones in a row than reading ends after.
        runs in prop::collection::vec((prop_oneof![0_usize..20, 900_usize..1000], 1_u32..=30, 0_u32..600), 0..5),
        limit in 1_u32..4,
    ) {
        let (mut text, mut expected) = (String::new(), Vec::new());
        for (number, (olds, day, second)) in runs.iter().enumerate() {
            let (minute, second) = (second / 60, second % 60);
            writeln!(text, "2025-12-01 00:{minute:02}:{second:02} {number}").unwrap();
            text.push_str(&format!("2025-11-{day:02} 12:00:00 old\n").repeat(*olds));
            expected.insert(0, number.to_string());
        }
        let query = LogQuery::new(time("2025-12-01T00:00:00Z"), time("2025-12-02T00:00:00Z")).limit(limit);
        let (found, missing) = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            Logs::new(&[("a.log", &text)]).await.pages(&query, || {}).await
        });
        prop_assert_eq!(missing, Vec::<String>::new());
        let found: Vec<_> = found.iter().map(|entry| entry.message.clone()).collect();
        prop_assert_eq!(found, expected);
    }
}
