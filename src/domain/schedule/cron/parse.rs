//! What may be written in the five fields, and the words for some of them.
//!
//! It is what robfig/cron v3 of Go takes, which the compatible operator reads them with, and besides 7 for Sunday, also as the
//! end of a range (`5-7`, `fri-sun`). The resource's rules say the same in a regular expression.

use super::bits::Bits;
use super::fields::Fields;

/// What a field's numbers are.
struct Numbers {
    lowest: usize,
    highest: usize,
    /// The highest that may be written: Sunday has two numbers.
    written: usize,
    /// Other words for them, from the lowest on.
    names: &'static [&'static str],
    /// `?` says the same as `*`.
    question: bool,
}

const MINUTE: Numbers = numbers(0, 59);
const HOUR: Numbers = numbers(0, 23);
const DAY: Numbers = Numbers {
    question: true,
    ..numbers(1, 31)
};
const MONTH: Numbers = Numbers {
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
    ..numbers(1, 12)
};
const WEEKDAY: Numbers = Numbers {
    written: SUNDAY,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    question: true,
    ..numbers(0, 6)
};
/// The other number of Sunday.
const SUNDAY: usize = 7;

const fn numbers(lowest: usize, highest: usize) -> Numbers {
    Numbers {
        lowest,
        highest,
        written: highest,
        names: &[],
        question: false,
    }
}

/// A field: its numbers, and whether it was left open.
#[derive(Default)]
struct Set {
    bits: u64,
    open: bool,
}

/// Reads five fields, or a word for them.
pub fn fields(expression: &str) -> Option<Fields> {
    let expression = match expression {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        fields => fields,
    };
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.try_into().ok()?;
    let (day, weekday) = (set(day, &DAY)?, set(weekday, &WEEKDAY)?);
    Some(Fields {
        minutes: Bits(set(minute, &MINUTE)?.bits),
        hours: Bits(set(hour, &HOUR)?.bits),
        days: Bits(day.bits),
        months: Bits(set(month, &MONTH)?.bits),
        weekdays: Bits((weekday.bits | weekday.bits >> SUNDAY) & !(1 << SUNDAY)),
        either_day: !day.open && !weekday.open,
    })
}

fn set(field: &str, numbers: &Numbers) -> Option<Set> {
    let mut items = field.split(',').map(|text| item(text, numbers));
    items.try_fold(Set::default(), |all, item| {
        let item = item?;
        Some(Set {
            bits: all.bits | item.bits,
            open: all.open || item.open,
        })
    })
}

/// `*`, `5`, `1-5`, and each with `/step`; `5/step` is from there to the highest number.
fn item(text: &str, numbers: &Numbers) -> Option<Set> {
    let (range, step) = match text.split_once('/') {
        Some((range, step)) => (range, Some(number(step)?)),
        None => (text, None),
    };
    let any = range == "*" || (range == "?" && numbers.question);
    let (first, last) = if any {
        (numbers.lowest, numbers.highest)
    } else if let Some((first, last)) = range.split_once('-') {
        let first = numbers.number(first)?;
        (first, numbers.end(last, first)?)
    } else {
        let first = numbers.number(range)?;
        (first, if step.is_some() { numbers.highest } else { first })
    };
    let step = step.unwrap_or(1);
    if first > last || step == 0 {
        return None;
    }
    Some(Set {
        bits: (first..=last)
            .step_by(step)
            .fold(0, |bits, number| bits | 1 << number),
        open: any && step == 1,
    })
}

impl Numbers {
    fn number(&self, text: &str) -> Option<usize> {
        let number = self.named(text).or_else(|| number(text))?;
        (self.lowest..=self.written).contains(&number).then_some(number)
    }

    fn named(&self, text: &str) -> Option<usize> {
        let place = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text))?;
        Some(self.lowest + place)
    }

    /// The end of a range: `fri-sun` ends with the other Sunday.
    fn end(&self, text: &str, first: usize) -> Option<usize> {
        match self.named(text) {
            Some(0) if first > 0 => Some(self.written),
            _ => self.number(text),
        }
    }
}

/// Digits alone: Rust's own reading takes a sign too.
fn number(text: &str) -> Option<usize> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
