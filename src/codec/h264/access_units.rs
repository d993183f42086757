//! From a byte stream to access units.

use super::keyframe::is_keyframe;
use super::sps::read_sps;
use super::unit::{FORMAT, type_of, unit_type};
use crate::codec::nal::{self, Role};
use h264_reader::Context;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::slice::{FieldPic, PicOrderCountLsb, SliceHeader};
use h264_reader::nal::sps::FrameMbsFlags;
use h264_reader::nal::{Nal, RefNal};

/// Cuts a byte stream (Annex B) into access units in the canonical form (section 7.4.1.2.3).
///
/// Call [`push`](AccessUnits::push) with what has arrived, then [`next`](AccessUnits::next) until it gives `None`. An access unit
/// comes out as soon as the first bytes of the next one show that it is whole; [`flush`](AccessUnits::flush) is for the end of
/// the input, or for a caller who knows from elsewhere (a pause on the line) that the access unit is whole.
pub type AccessUnits = nal::Splitter<Slices>;

/// Finds the first slice of each primary coded picture by the rules of section 7.4.1.2.4. Two fields of one frame are one access
/// unit, as a container has them (ISO/IEC 14496-15, section 5.2.1).
#[derive(Default)]
pub struct Slices {
    context: Context,
    last: Option<Picture>,
    /// `last` is the second field of its frame.
    paired: bool,
    /// A picture parameter set allows redundant pictures, whose slices may begin with macroblock 0 too.
    redundant: bool,
    /// A sequence parameter set allows field pictures: the second field of a frame begins with macroblock 0 too.
    fields: bool,
}

/// The elements of a slice header that are the same in all slices of a picture.
#[derive(PartialEq)]
struct Picture {
    frame_num: u16,
    parameter_set: u8,
    field: FieldPic,
    reference: bool,
    order: Option<PicOrderCountLsb>,
    /// idr_pic_id, which is also whether it is an IDR picture.
    idr: Option<u32>,
}

impl nal::Syntax for Slices {
    const FORMAT: &'static str = FORMAT;

    fn early_role(&self, start: &[u8]) -> Option<Role> {
        match type_of(start) {
            // Macroblock 0 is a new picture whatever else the header says, for encoders that leave the rest unchanged.
            unit_type::SLICE | 2 | unit_type::IDR => {
                (begins_with_macroblock_0(start) && !self.redundant && !self.fields).then_some(Role::FirstSlice)
            }
            unit_type::AUD => Some(Role::Delimiter),
            unit_type::SEI | unit_type::SPS | unit_type::PPS | 14..=18 => Some(Role::Prefix),
            _ => None,
        }
    }

    fn role(&self, head: &[u8]) -> Role {
        if let Some(role) = self.early_role(head) {
            return role;
        }
        match type_of(head) {
            unit_type::SLICE | 2 | unit_type::IDR => self.slice(head),
            unit_type::END_OF_SEQUENCE | unit_type::END_OF_STREAM => Role::End,
            // Data partitions B and C, auxiliary slices, filler and whatever is unspecified.
            _ => Role::Other,
        }
    }

    fn unit(&mut self, unit: &[u8]) {
        match type_of(unit) {
            unit_type::SPS => {
                if let Ok(sps) = read_sps(unit) {
                    self.fields |= !matches!(sps.frame_mbs_flags, FrameMbsFlags::Frames);
                    self.context.put_seq_param_set(sps);
                }
            }
            unit_type::PPS => {
                if let Ok(pps) = PicParameterSet::from_bits(&self.context, RefNal::new(unit, &[], true).rbsp_bits()) {
                    self.redundant |= pps.redundant_pic_cnt_present_flag;
                    self.context.put_pic_param_set(pps);
                }
            }
            unit_type::SLICE | 2 | unit_type::IDR => {
                let picture = self.picture(&unit[..unit.len().min(nal::ROLE_BYTES)]).map(|(_, picture)| picture);
                if picture != self.last {
                    self.paired = picture.as_ref().is_some_and(|picture| self.is_second_field(picture));
                }
                self.last = picture;
            }
            _ => {}
        }
    }

    fn lacks_field(&self) -> bool {
        !self.paired && self.last.as_ref().is_some_and(|last| last.field != FieldPic::Frame)
    }

    fn is_keyframe(au: &[u8]) -> bool {
        is_keyframe(au)
    }
}

/// first_mb_in_slice 0 is the code `1`.
fn begins_with_macroblock_0(slice: &[u8]) -> bool {
    slice.get(1).is_some_and(|b| b & 0x80 != 0)
}

impl Slices {
    fn slice(&self, head: &[u8]) -> Role {
        let Some((first_mb, picture)) = self.picture(head) else {
            // Without its parameter sets a slice tells only where it begins.
            return if begins_with_macroblock_0(head) { Role::FirstSlice } else { Role::Slice };
        };
        let new = first_mb == 0 || self.last.as_ref().is_some_and(|last| *last != picture);
        if new && !self.is_second_field(&picture) { Role::FirstSlice } else { Role::Slice }
    }

    /// Whether `picture` makes a frame of the field before it: a complementary field pair (sections 3.30 and 3.31). The second field
    /// of an IDR picture may be a P field.
    fn is_second_field(&self, picture: &Picture) -> bool {
        let opposite = |first: &Picture| {
            matches!((&first.field, &picture.field), (FieldPic::Field(a), FieldPic::Field(b)) if a != b)
                && first.frame_num == picture.frame_num
                && first.reference == picture.reference
                && (picture.idr.is_none() || picture.idr == first.idr)
        };
        !self.paired && self.last.as_ref().is_some_and(opposite)
    }

    fn picture(&self, head: &[u8]) -> Option<(u32, Picture)> {
        let unit = RefNal::new(head, &[], false);
        let header = unit.header().ok()?;
        let (slice, _, pps) = SliceHeader::from_bits(&self.context, &mut unit.rbsp_bits(), header, None).ok()?;
        let redundant = slice.redundant_pic_cnt.is_some_and(|n| n > 0);
        let picture = Picture {
            frame_num: slice.frame_num,
            parameter_set: pps.pic_parameter_set_id.id(),
            field: slice.field_pic,
            reference: header.nal_ref_idc() != 0,
            order: slice.pic_order_cnt_lsb,
            idr: slice.idr_pic_id,
        };
        // A redundant picture is one more slice of its primary picture.
        Some((if redundant { u32::MAX } else { slice.first_mb_in_slice }, picture))
    }
}
