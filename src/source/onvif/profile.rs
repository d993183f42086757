//! A profile of a camera, and the rule by which one is chosen.

use std::cmp::Reverse;

/// A media profile (ONVIF Media Service Specification, section 5.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// What the camera calls it in requests.
    pub token: String,
    /// What people call it.
    pub name: String,
    /// As the camera writes it, such as `H264`; empty without a video encoder.
    pub encoding: String,
    /// In pixels; 0 where it is not given.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Frames a second at most; 0 where it is not given.
    pub rate: u32,
    /// The address of its stream, without a password.
    pub uri: Option<String>,
}

/// Pictures larger than this are taken only where there is no other, as from cameras on this machine.
const MAX_PIXELS: u64 = 1920 * 1080;

impl Profile {
    /// For people, such as `MainStream: H264 1920x1080 at 25 fps`.
    pub fn line(&self) -> String {
        let Profile { name, token, encoding, width, height, rate, .. } = self;
        let name = if name.is_empty() { token } else { name };
        let encoding = if encoding.is_empty() { "no video" } else { encoding };
        let size = if *width > 0 { format!(" {width}x{height}") } else { String::new() };
        let rate = if *rate > 0 { format!(" at {rate} fps") } else { String::new() };
        format!("{name}: {encoding}{size}{rate}")
    }

    fn is_named(&self, wanted: &str) -> bool {
        self.name.eq_ignore_ascii_case(wanted) || self.token.eq_ignore_ascii_case(wanted)
    }

    /// Better profiles come first. The order of codecs is that of cameras on this machine, without what is not read.
    fn rank(&self) -> (u8, bool, Reverse<u64>, Reverse<u32>) {
        let codec = match &*self.encoding.to_ascii_uppercase() {
            "H264" => 0,
            "H265" | "HEVC" => 1,
            "JPEG" => 2,
            "" => 4,
            _ => 3,
        };
        let pixels = u64::from(self.width) * u64::from(self.height);
        let is_large = pixels > MAX_PIXELS;
        // Of those that are all too large, the smallest.
        let size = if is_large { u64::MAX - pixels } else { pixels };
        (codec, is_large, Reverse(size), Reverse(self.rate))
    }
}

/// The profile named `wanted`, by name or token. Without a name the best, most important first: one with video; H.264, then H.265, then JPEG; at
/// most 1920x1080; the largest picture; the highest rate; the order of the camera.
pub fn choose<'p>(profiles: &'p [Profile], wanted: Option<&str>) -> Option<&'p Profile> {
    match wanted {
        Some(wanted) => profiles.iter().find(|profile| profile.is_named(wanted)),
        None => profiles.iter().min_by_key(|profile| profile.rank()).filter(|profile| !profile.encoding.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(token: &str, encoding: &str, width: u32, height: u32, rate: u32) -> Profile {
        Profile { token: token.into(), encoding: encoding.into(), width, height, rate, ..Profile::default() }
    }

    #[test]
    fn the_rule() {
        let all = [
            profile("audio", "", 0, 0, 0),
            profile("mpeg4", "MPEG4", 1280, 720, 30),
            profile("jpeg", "JPEG", 1920, 1080, 30),
            profile("8k", "H264", 7680, 4320, 30),
            profile("4k", "H264", 3840, 2160, 30),
            profile("sub", "H264", 640, 360, 30),
            profile("slow", "H264", 1920, 1080, 15),
            profile("main", "H264", 1920, 1080, 25),
            profile("twin", "H264", 1920, 1080, 25),
            profile("hevc", "H265", 1920, 1080, 30),
        ];
        let token = |profiles: &[Profile], wanted| choose(profiles, wanted).map(|profile| profile.token.clone());
        assert_eq!(token(&all, None).as_deref(), Some("main"));
        assert_eq!(token(&all[..5], None).as_deref(), Some("4k"), "of large ones the smallest");
        assert_eq!(token(&all[..3], None).as_deref(), Some("jpeg"));
        assert_eq!(token(&all[..1], None), None, "no video");
        assert_eq!(token(&all, Some("SUB")).as_deref(), Some("sub"));
        assert_eq!(token(&all, Some("other")), None);
    }

    #[test]
    fn lines() {
        assert_eq!(profile("p1", "H264", 1920, 1080, 25).line(), "p1: H264 1920x1080 at 25 fps");
        assert_eq!(profile("p1", "", 0, 0, 0).line(), "p1: no video");
    }
}
