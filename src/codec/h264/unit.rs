//! The types of NAL units.

/// The name in errors.
pub const FORMAT: &str = "H.264";

/// nal_unit_type (table 7-1).
pub mod unit_type {
    /// Slice of a picture that is no IDR picture.
    pub const SLICE: u8 = 1;
    /// Slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// End of sequence.
    pub const END_OF_SEQUENCE: u8 = 10;
    /// End of stream.
    pub const END_OF_STREAM: u8 = 11;
}

/// nal_unit_type of a NAL unit; 0 (unspecified) for an empty one.
pub fn type_of(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |b| b & 0x1f)
}
