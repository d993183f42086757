//! Parts of a file (RFC 9110, section 14). Pure.

use std::ops::Range;

/// What a Range header asks of a file of so many bytes. `None`: all of it, as of a header that is none or names several.
pub fn range(header: &str, length: u64) -> Option<Result<Range<u64>, OutOfRange>> {
    let (first, last) = header.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let range = match (first, last) {
        ("", last) => {
            let last = number(last)?;
            if last == 0 { length..length } else { length.saturating_sub(last)..length }
        }
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some(if range.start < length { Ok(range) } else { Err(OutOfRange) })
}

/// It begins where the file has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, wanted) in [
            ("bytes=0-0", Some(Ok(0..1))),
            ("bytes=2-", Some(Ok(2..10))),
            ("bytes=-3", Some(Ok(7..10))),
            ("bytes=-30", Some(Ok(0..10))),
            ("bytes=5-100", Some(Ok(5..10))),
            ("bytes=0-18446744073709551615", Some(Ok(0..10))),
            ("bytes=10-", Some(Err(OutOfRange))),
            ("bytes=-0", Some(Err(OutOfRange))),
            ("bytes=5-4", None),
            ("bytes=-", None),
            ("bytes=0-1,3-4", None),
            ("bytes=+1-2", None),
            ("bytes=a-", None),
            ("items=0-1", None),
            ("", None),
        ] {
            assert_eq!(range(header, 10), wanted, "{header}");
        }
    }
}
