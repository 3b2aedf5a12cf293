//! Units: one name for each, however a vendor spells it.
//!
//! A name is the plural of the word, as in the names of Prometheus's metrics (`seconds`, `bytes`); a rate is
//! `bytes per second`. Values are never converted.

use std::borrow::Cow;

/// A unit: its name, the word for one, and other spellings. Symbols are told by their case, words are not.
struct Unit {
    name: &'static str,
    one: &'static str,
    symbols: &'static [&'static str],
    words: &'static [&'static str],
}

const fn unit(
    name: &'static str,
    one: &'static str,
    symbols: &'static [&'static str],
    words: &'static [&'static str],
) -> Unit {
    Unit { name, one, symbols, words }
}

/// What is measured. The symbols are those of UCUM, which OpenTelemetry uses (<https://ucum.org/ucum>); the words are
/// those of Datadog (<https://docs.datadoghq.com/metrics/units/>), Elasticsearch and Prometheus
/// (<https://prometheus.io/docs/practices/naming/#base-units>). Left out is what means one thing here and another there:
/// `m` is a metre and a minute, `B` a bel and a byte, `KB` 1000 bytes and 1024.
const MEASURES: &[Unit] = &[
    unit("nanoseconds", "nanosecond", &["ns"], &["nanos"]),
    unit("microseconds", "microsecond", &["us", "\u{b5}s", "\u{3bc}s"], &["micros"]),
    unit("milliseconds", "millisecond", &["ms"], &["millis"]),
    unit("seconds", "second", &["s"], &["sec", "secs"]),
    unit("minutes", "minute", &["min"], &["mins"]),
    unit("hours", "hour", &["h"], &["hr", "hrs"]),
    unit("days", "day", &["d"], &[]),
    unit("weeks", "week", &["wk"], &[]),
    unit("bits", "bit", &[], &[]),
    unit("kilobits", "kilobit", &["kbit"], &[]),
    unit("megabits", "megabit", &["Mbit"], &[]),
    unit("gigabits", "gigabit", &["Gbit"], &[]),
    unit("bytes", "byte", &["By"], &[]),
    unit("kilobytes", "kilobyte", &["kBy"], &[]),
    unit("megabytes", "megabyte", &["MBy"], &[]),
    unit("gigabytes", "gigabyte", &["GBy"], &[]),
    unit("terabytes", "terabyte", &["TBy"], &[]),
    unit("kibibytes", "kibibyte", &["KiBy"], &[]),
    unit("mebibytes", "mebibyte", &["MiBy"], &[]),
    unit("gibibytes", "gibibyte", &["GiBy"], &[]),
    unit("tebibytes", "tebibyte", &["TiBy"], &[]),
    unit("percent", "percent", &["%"], &["pct"]),
    unit("ratio", "ratio", &[], &["fraction", "ratios"]),
    unit("dimensionless", "dimensionless", &["1"], &[]),
    unit("celsius", "celsius", &["Cel"], &["degree celsius", "degrees celsius"]),
    unit("fahrenheit", "fahrenheit", &["[degF]"], &["degree fahrenheit", "degrees fahrenheit"]),
    unit("kelvins", "kelvin", &["K"], &[]),
    unit("hertz", "hertz", &["Hz"], &[]),
    unit("kilohertz", "kilohertz", &["kHz"], &[]),
    unit("megahertz", "megahertz", &["MHz"], &[]),
    unit("gigahertz", "gigahertz", &["GHz"], &[]),
    unit("volts", "volt", &["V"], &[]),
    unit("millivolts", "millivolt", &["mV"], &[]),
    unit("amperes", "ampere", &["A"], &["amp", "amps"]),
    unit("milliamperes", "milliampere", &["mA"], &[]),
    unit("watts", "watt", &["W"], &[]),
    unit("kilowatts", "kilowatt", &["kW"], &[]),
    unit("joules", "joule", &["J"], &[]),
    unit("meters", "meter", &[], &["metre", "metres"]),
    unit("grams", "gram", &["g"], &[]),
    unit("kilograms", "kilogram", &["kg"], &[]),
];

/// What is counted.
const THINGS: &[Unit] = &[
    unit("calls", "call", &[], &[]),
    unit("connections", "connection", &[], &[]),
    unit("containers", "container", &[], &[]),
    unit("cores", "core", &[], &[]),
    unit("documents", "document", &[], &[]),
    unit("errors", "error", &[], &[]),
    unit("events", "event", &[], &[]),
    unit("files", "file", &[], &[]),
    unit("hits", "hit", &[], &[]),
    unit("hosts", "host", &[], &[]),
    unit("instances", "instance", &[], &[]),
    unit("items", "item", &[], &[]),
    unit("jobs", "job", &[], &[]),
    unit("messages", "message", &[], &[]),
    unit("misses", "miss", &[], &[]),
    unit("operations", "operation", &[], &["op", "ops"]),
    unit("packets", "packet", &[], &[]),
    unit("pages", "page", &[], &[]),
    unit("processes", "process", &[], &[]),
    unit("queries", "query", &[], &[]),
    unit("requests", "request", &[], &[]),
    unit("responses", "response", &[], &[]),
    unit("rows", "row", &[], &[]),
    unit("sessions", "session", &[], &[]),
    unit("tasks", "task", &[], &[]),
    unit("threads", "thread", &[], &[]),
    unit("users", "user", &[], &[]),
];

/// The name of a unit, from a vendor's spelling. A spelling that is in no table stays as it is.
///
/// ```
/// use opsorch_schema::signal::unit;
///
/// assert_eq!(unit::name("By"), "bytes"); // OpenTelemetry
/// assert_eq!(unit::name("byte"), "bytes"); // Datadog
/// assert_eq!(unit::name("ms"), "milliseconds");
/// assert_eq!(unit::name("{request}/s"), "requests per second");
/// assert_eq!(unit::name("1"), "dimensionless");
/// assert_eq!(unit::name("furlong"), "furlong");
/// ```
pub fn name(spelling: &str) -> Cow<'_, str> {
    let plain = spelling.trim();
    match find(plain) {
        Some(unit) => Cow::Borrowed(unit.name),
        None => rate(plain).unwrap_or(Cow::Borrowed(spelling)),
    }
}

/// The unit that the name of a metric ends with, as Prometheus's convention has it: `_seconds`, `_bytes_total`,
/// `_bytes_per_second`. Buckets and counts of a histogram are numbers without a unit.
///
/// ```
/// use opsorch_schema::signal::unit;
///
/// assert_eq!(unit::of_metric("process_cpu_seconds_total").as_deref(), Some("seconds"));
/// assert_eq!(unit::of_metric("rpc_duration_seconds_sum").as_deref(), Some("seconds"));
/// assert_eq!(unit::of_metric("rpc_duration_seconds_bucket"), None);
/// assert_eq!(unit::of_metric("http_requests_total"), None);
/// ```
pub fn of_metric(metric: &str) -> Option<Cow<'static, str>> {
    let stem = metric.strip_suffix("_total").or_else(|| metric.strip_suffix("_sum")).unwrap_or(metric);
    if let Some((before, per)) = stem.rsplit_once("_per_") {
        let (unit, per) = (word(THINGS, last_word(before)).or_else(|| measure(last_word(before)))?, measure(per)?);
        return Some(Cow::Owned(format!("{} per {}", unit.name, per.one)));
    }
    let (_, last) = stem.rsplit_once('_')?;
    // Only the name itself: `_min` is a minimum, and `_day` the day of something.
    measure(last).filter(|unit| unit.name == last).map(|unit| Cow::Borrowed(unit.name))
}

fn last_word(text: &str) -> &str {
    text.rsplit_once('_').map_or(text, |(_, last)| last)
}

/// The unit with a spelling. What UCUM has in braces says what is counted.
fn find(spelling: &str) -> Option<&'static Unit> {
    if let Some(counted) = spelling.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return word(THINGS, counted);
    }
    let symbol = MEASURES.iter().find(|unit| unit.symbols.contains(&spelling));
    symbol.or_else(|| measure(spelling)).or_else(|| word(THINGS, spelling))
}

fn measure(text: &str) -> Option<&'static Unit> {
    word(MEASURES, text)
}

fn word(table: &'static [Unit], text: &str) -> Option<&'static Unit> {
    let is_word = |word: &&str| word.eq_ignore_ascii_case(text);
    table.iter().find(|unit| [unit.name, unit.one].iter().chain(unit.words).any(is_word))
}

/// A unit in each of another: `byte/second`, `By/s`, `bytes per second`, `1/s`.
fn rate(spelling: &str) -> Option<Cow<'static, str>> {
    let (unit, per) = spelling.split_once('/').or_else(|| spelling.split_once(" per "))?;
    let (unit, per) = (find(unit.trim())?.name, find(per.trim())?.one);
    Some(Cow::Owned(match unit {
        "dimensionless" => format!("per {per}"),
        unit => format!("{unit} per {per}"),
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn all() -> impl Iterator<Item = &'static Unit> {
        MEASURES.iter().chain(THINGS)
    }

    #[test]
    fn no_spelling_means_two_units() {
        let mut seen = BTreeMap::new();
        for unit in all() {
            let words = [unit.name, unit.one].into_iter().chain(unit.words.iter().copied()).map(str::to_lowercase);
            for spelling in words.chain(unit.symbols.iter().map(|symbol| (*symbol).to_owned())) {
                assert_eq!(*seen.entry(spelling.clone()).or_insert(unit.name), unit.name, "{spelling}");
                assert_eq!(name(&spelling), unit.name, "{spelling}");
            }
        }
    }

    #[test]
    fn spellings_of_vendors_have_one_name() {
        let names = [
            ("s", "seconds"),
            ("Seconds", "seconds"),
            ("us", "microseconds"),
            ("\u{3bc}s", "microseconds"),
            ("nanos", "nanoseconds"),
            ("KiBy", "kibibytes"),
            ("byte", "bytes"),
            ("%", "percent"),
            ("fraction", "ratio"),
            ("{packet}", "packets"),
            (" By/s ", "bytes per second"),
            ("byte/second", "bytes per second"),
            ("bytes per second", "bytes per second"),
            ("operation / hour", "operations per hour"),
            ("1/s", "per second"),
            ("degree celsius", "celsius"),
        ];
        for (spelling, expected) in names {
            assert_eq!(name(spelling), expected, "{spelling}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_unknown_stays_as_it_is() {
        for spelling in
            ["m", "B", "KB", "MS", "by", "S", "{}", "{By}", "/", "a/b", "By/s/s", "", " ", "usd", "per second"]
        {
            assert_eq!(name(spelling), spelling);
        }
    }

    #[test]
    fn the_unit_of_a_metric_is_its_last_word_only() {
        let units = [
            ("node_memory_free_bytes", Some("bytes")),
            ("network_receive_bytes_per_second", Some("bytes per second")),
            ("requests_per_second", Some("requests per second")),
            ("cpu_usage_percent", Some("percent")),
            ("room_celsius", Some("celsius")),
            ("latency_min", None),
            ("latency_s", None),
            ("seconds", None),
            ("bytes_read", None),
            ("latency_seconds_count", None),
            ("x_per_y", None),
            ("_per_", None),
            ("", None),
        ];
        for (metric, unit) in units {
            assert_eq!(of_metric(metric).as_deref(), unit, "{metric}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_its_own_name(
            spelling in prop_oneof![".{0,12}", "[a-zA-Z{}/%1 ]{0,8}", "(By|s|1|byte|op)( per |/)(s|h|day)"],
        ) {
            let once = name(&spelling).into_owned();
            prop_assert_eq!(name(&once), once.clone());
        }

        #[test]
        fn any_name_of_a_metric_can_be_asked(metric in "[a-z_]{0,20}(_per_|_seconds|_total|_)?[a-z_]{0,8}") {
            if let Some(unit) = of_metric(&metric) {
                prop_assert_eq!(name(&unit), unit.clone());
            }
        }
    }
}
