//! Numbers as people read them.

use leadflow_workflows::domain::money::MicroUsd;

/// `$12.34`; below a dollar with the four digits that a single call needs, `$0.0125`.
pub fn money(amount: MicroUsd) -> String {
    let dollars = amount.as_usd();
    if amount == MicroUsd::ZERO || dollars.abs() >= 1.0 { format!("${dollars:.2}") } else { format!("${dollars:.4}") }
}

/// `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 lead`, `1,200 leads`: for words that form their plural with an s.
pub fn counted(number: u64, word: &str) -> String {
    format!("{} {word}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `850 ms`, `27.8 s`, `3 min 20 s`, `2 h 05 min`, `3 d 04 h`: two units at most.
pub fn duration(duration_ms: u64) -> String {
    // Rounded to what is shown before the unit is chosen, so that no `60.0 s` comes out.
    let tenths = (duration_ms + 50) / 100;
    let seconds = (duration_ms + 500) / 1_000;
    let minutes = (duration_ms + 30_000) / 60_000;
    let hours = (duration_ms + 1_800_000) / 3_600_000;
    if duration_ms < 1_000 {
        format!("{duration_ms} ms")
    } else if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else if seconds < 3_600 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else if minutes < 24 * 60 {
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    } else {
        format!("{} d {:02} h", hours / 24, hours % 24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well_at_every_size() {
        for (amount, told) in
            [(0, "$0.00"), (12_500, "$0.0125"), (999_999, "$1.0000"), (1_000_000, "$1.00"), (12_345_678, "$12.35")]
        {
            assert_eq!(money(MicroUsd(amount)), told);
        }
        for (number, told) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), told);
        }
        assert_eq!((counted(1, "lead"), counted(1_200, "lead")), ("1 lead".into(), "1,200 leads".into()));
        for (duration_ms, told) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (27_849, "27.8 s"),
            (59_960, "1 min 00 s"),
            (200_000, "3 min 20 s"),
            (3_599_999, "1 h 00 min"),
            (7_500_000, "2 h 05 min"),
            (86_399_999, "1 d 00 h"),
            (273_600_000, "3 d 04 h"),
        ] {
            assert_eq!(duration(duration_ms), told, "{duration_ms}");
        }
    }
}
