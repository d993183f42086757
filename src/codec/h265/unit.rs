//! The types of NAL units.

/// The name in errors.
pub const FORMAT: &str = "H.265";

/// nal_unit_type (table 7-1).
pub mod unit_type {
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
    /// End of sequence.
    pub const END_OF_SEQUENCE: u8 = 36;
    /// End of bitstream.
    pub const END_OF_STREAM: u8 = 37;
    /// Supplemental enhancement information before the slices.
    pub const PREFIX_SEI: u8 = 39;
}

/// nal_unit_type of a NAL unit; 63 (unspecified) for an empty one.
pub fn type_of(unit: &[u8]) -> u8 {
    unit.first().map_or(63, |b| b >> 1 & 0x3f)
}
