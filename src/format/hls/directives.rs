//! What a client asks of a media playlist (draft-pantos-hls-rfc8216bis, section 6.2.5).

/// The delivery directives in a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `_HLS_msn`: not before this segment is there,
    pub segment: Option<u64>,
    /// `_HLS_part`: or this part of it.
    pub part: Option<u64>,
    /// `_HLS_skip`: without what the client has seen before.
    pub skip: bool,
}

/// A directive that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("_HLS_msn and _HLS_part are numbers, _HLS_part needs _HLS_msn, and _HLS_skip is YES or v2")]
pub struct MalformedDirective;

impl Directives {
    /// Reads a query; parameters that are no directives are passed over.
    ///
    /// # Errors
    /// A directive is there twice, or is none.
    pub fn parse(query: &str) -> Result<Directives, MalformedDirective> {
        let mut directives = Directives::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let mut set = |place: fn(&mut Directives) -> &mut Option<u64>| {
                let number = value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok()).flatten();
                place(&mut directives).replace(number.ok_or(MalformedDirective)?).map_or(Ok(()), |_| Err(MalformedDirective))
            };
            match name {
                "_HLS_msn" => set(|directives| &mut directives.segment)?,
                "_HLS_part" => set(|directives| &mut directives.part)?,
                "_HLS_skip" if matches!(value, "YES" | "v2") && !directives.skip => directives.skip = true,
                "_HLS_skip" => return Err(MalformedDirective),
                _ => {}
            }
        }
        let alone = directives.part.is_some() && directives.segment.is_none();
        if alone { Err(MalformedDirective) } else { Ok(directives) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives() {
        let of = |segment, part, skip| Ok(Directives { segment, part, skip });
        assert_eq!(Directives::parse(""), of(None, None, false));
        assert_eq!(Directives::parse("_HLS_msn=12&_HLS_part=0&x=y"), of(Some(12), Some(0), false));
        assert_eq!(Directives::parse("a&_HLS_skip=v2&_HLS_msn=18446744073709551615"), of(Some(u64::MAX), None, true));
        for wrong in [
            "_HLS_part=1",
            "_HLS_msn",
            "_HLS_msn=",
            "_HLS_msn=-1",
            "_HLS_msn=+1",
            "_HLS_msn=1.0",
            "_HLS_msn=18446744073709551616",
            "_HLS_msn=1&_HLS_msn=1",
            "_HLS_msn=1&_HLS_part=x",
            "_HLS_skip=NO",
            "_HLS_skip=YES&_HLS_skip=YES",
        ] {
            assert_eq!(Directives::parse(wrong), Err(MalformedDirective), "{wrong}");
        }
    }
}
