//! The options of `pgbackrest backup` that a user may give, each with the values that pgBackRest 2.60 takes.
//!
//! A wrong value is told here instead of by a Job that ends. What depends on another option (a compression level on its
//! type, one timeout on another) is left to pgBackRest. An option that is not here is refused, whatever it is.

/// One option.
pub(in crate::domain) struct Known {
    pub(in crate::domain) name: &'static str,
    pub(in crate::domain) value: Value,
    /// It may be given more than once; pgBackRest refuses every other option that is.
    pub(in crate::domain) repeats: bool,
}

/// What an option takes.
#[derive(Clone, Copy)]
pub(in crate::domain) enum Value {
    /// Nothing: it is on, or off with `no-` before it. pgBackRest takes `=y` and `=n` as well.
    Switch,
    /// The same, and one more word.
    SwitchOr(&'static str),
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number between these.
    Number(i64, i64),
    /// A time between these, in milliseconds.
    Time(u64, u64),
    /// A number of bytes between these.
    Size(u64, u64),
    /// A number of bytes that a buffer may have.
    Buffer,
    /// Anything.
    Text,
}

pub(in crate::domain) const SECOND: u64 = 1000;
pub(in crate::domain) const DAY: u64 = 24 * 60 * 60 * SECOND;
const KIB: u64 = 1 << 10;

const BUFFERS: &[u64] = &[
    16 * KIB,
    32 * KIB,
    64 * KIB,
    128 * KIB,
    256 * KIB,
    512 * KIB,
    1024 * KIB,
    2048 * KIB,
    4096 * KIB,
    8192 * KIB,
    16384 * KIB,
];

/// All of them.
pub(super) const KNOWN: &[Known] = &[
    many("annotation", Value::Text),
    one("archive-check", Value::Switch),
    one("archive-copy", Value::Switch),
    one("archive-mode-check", Value::Switch),
    one("archive-timeout", Value::Time(100, DAY)),
    one("backup-standby", Value::SwitchOr("prefer")),
    one("buffer-size", Value::Buffer),
    one("checksum-page", Value::Switch),
    one("compress-level", Value::Number(-7, 22)),
    one("compress-level-network", Value::Number(-5, 12)),
    one("compress-type", Value::Word(&["none", "bz2", "gz", "lz4", "zst"])),
    one("db-timeout", Value::Time(100, 7 * DAY)),
    one("delta", Value::Switch),
    many("exclude", Value::Text),
    one("io-timeout", Value::Time(100, DAY / 24)),
    one("job-retry", Value::Number(0, 360)),
    one("job-retry-interval", Value::Time(0, 15 * 60 * SECOND)),
    one("manifest-save-threshold", Value::Size(1, 1 << 40)),
    one("page-header-check", Value::Switch),
    // Less than 0 is for root.
    one("priority", Value::Number(0, 19)),
    one("process-max", Value::Number(1, 999)),
    one("protocol-timeout", Value::Time(100, 7 * DAY)),
    one("resume", Value::Switch),
    one("sck-keep-alive", Value::Switch),
    one("start-fast", Value::Switch),
    one("tcp-keep-alive-count", Value::Number(1, 32)),
    one("tcp-keep-alive-idle", Value::Number(1, 3600)),
    one("tcp-keep-alive-interval", Value::Number(1, 900)),
    one("type", Value::Word(&["full", "diff", "incr"])),
];

pub(in crate::domain) const fn one(name: &'static str, value: Value) -> Known {
    Known {
        name,
        value,
        repeats: false,
    }
}

pub(in crate::domain) const fn many(name: &'static str, value: Value) -> Known {
    Known {
        name,
        value,
        repeats: true,
    }
}

/// The option of that name, in full: pgBackRest would also take its beginning.
pub(in crate::domain) fn find(known: &'static [Known], name: &str) -> Option<&'static Known> {
    known.iter().find(|known| known.name == name)
}

impl Value {
    /// Whether the next word belongs to the option.
    pub(in crate::domain) fn is_wanted(self) -> bool {
        !matches!(self, Self::Switch | Self::SwitchOr(_))
    }

    /// The argument for pgBackRest, or what is wrong. `bare` is the name without `no-`.
    pub(in crate::domain) fn argument(
        self,
        name: &str,
        bare: &str,
        value: Option<&str>,
    ) -> Result<String, String> {
        let wrong = |problem: &str| Err(problem.to_owned());
        match (self, value) {
            (Self::Switch | Self::SwitchOr(_), None) => Ok(format!("--{name}")),
            _ if name != bare && !self.is_wanted() => wrong("takes no value"),
            _ if name != bare => wrong("is no switch: there is no 'no-' before it"),
            (_, None) => wrong("needs a value"),
            (_, Some(value)) if value.is_empty() || value.contains('\0') => wrong("has no value"),
            (Self::Switch | Self::SwitchOr(_), Some("y")) => Ok(format!("--{name}")),
            (Self::Switch | Self::SwitchOr(_), Some("n")) => Ok(format!("--no-{name}")),
            (Self::SwitchOr(other), Some(value)) if value == other => Ok(format!("--{name}={value}")),
            (Self::Switch, _) => wrong("is a switch: '--option' or '--no-option'"),
            (Self::SwitchOr(other), _) => Err(format!("must be y, n or {other}")),
            (_, Some(value)) => self
                .problem(value)
                .map_or_else(|| Ok(format!("--{name}={value}")), Err),
        }
    }

    /// What is wrong with a value; nothing when pgBackRest would take it.
    fn problem(self, text: &str) -> Option<String> {
        match self {
            Self::Switch | Self::SwitchOr(_) | Self::Text => None,
            Self::Word(words) if words.contains(&text) => None,
            Self::Word(words) => Some(format!("must be {}", or(words))),
            Self::Number(least, most) => match text.parse::<i64>() {
                Ok(number) if (least..=most).contains(&number) => None,
                _ => Some(format!("must be a whole number from {least} to {most}")),
            },
            Self::Time(least, most) => match milliseconds(text) {
                Some(time) if (least..=most).contains(&time) => None,
                Some(_) => Some(format!("must be from {} to {}", shown(least), shown(most))),
                None => Some("must be a time, such as 30s, 5m or 1h".to_owned()),
            },
            Self::Size(least, most) => match bytes(text) {
                Some(size) if (least..=most).contains(&size) => None,
                Some(_) => Some("is out of range".to_owned()),
                None => Some("must be a size, such as 64KiB or 1GiB".to_owned()),
            },
            Self::Buffer => match bytes(text) {
                Some(size) if BUFFERS.contains(&size) => None,
                _ => Some("must be a power of two from 16KiB to 16MiB".to_owned()),
            },
        }
    }
}

fn or(words: &[&str]) -> String {
    match words {
        [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
        _ => words.concat(),
    }
}

fn shown(milliseconds: u64) -> String {
    if milliseconds.is_multiple_of(SECOND) {
        format!("{} s", milliseconds / SECOND)
    } else {
        format!("{milliseconds} ms")
    }
}

/// As pgBackRest reads a time: seconds, or with a unit behind it.
fn milliseconds(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let units = [
        ("ms", 1),
        ("s", SECOND),
        ("m", 60 * SECOND),
        ("h", DAY / 24),
        ("d", DAY),
        ("w", 7 * DAY),
        ("", SECOND),
    ];
    let (number, unit) = units
        .into_iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    digits(number)?.checked_mul(unit)
}

/// As pgBackRest reads a size: bytes, or with a unit of 1024 behind it, in any of its spellings.
fn bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(number)?;
    let power = match unit {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    digits(number)?.checked_mul(KIB.pow(power))
}

fn digits(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}
