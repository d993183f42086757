//! The order in which pictures are shown, for streams that have no times: picture order counts (H.264, section 8.2.1; H.265,
//! section 8.3.1), made into frame numbers without waiting for a picture to come.

use super::bits::BitReader;
use super::{h264, h265, nal};
use h264_reader::Context;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::slice::{Field, FieldPic, PicOrderCountLsb, SliceHeader};
use h264_reader::nal::sps::PicOrderCntType;
use h264_reader::nal::{Nal, RefNal};

/// A frame number further from the decoding order than this is not believed: no codec reorders by more than 16 frames.
const MAX_DISTANCE: i64 = 32;

/// As much of a slice as its first header fields can take.
const HEAD: usize = 64;

/// Numbers the access units of a stream (canonical form, in decoding order) in the order in which they are shown.
pub struct DisplayOrder {
    counts: Counts,
    /// How far the count goes up from one frame to the next.
    step: i64,
    /// Number and count of the picture that began the sequence.
    start: (u64, i64),
    /// Access units of the sequence so far.
    in_sequence: i64,
    /// After the highest number so far.
    next: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Believing,
    /// The counts of this sequence make no sense: numbers are given as they come.
    Counting,
}

enum Counts {
    H264(Box<H264>),
    H265(H265),
}

/// What an access unit says of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PictureOrder {
    /// All later pictures are shown after it and after all earlier ones.
    restart: bool,
    /// `None`: it does not say, and so comes after all before it.
    count: Option<i64>,
}

impl DisplayOrder {
    /// Frames are two counts apart, as long as there is no odd one.
    pub fn h264() -> DisplayOrder {
        DisplayOrder::new(Counts::H264(Box::default()), 2)
    }

    pub fn h265() -> DisplayOrder {
        DisplayOrder::new(Counts::H265(H265::default()), 1)
    }

    fn new(counts: Counts, step: i64) -> DisplayOrder {
        DisplayOrder { counts, step, start: (0, 0), in_sequence: 0, next: 0, state: State::Believing }
    }

    /// The number of the next access unit; 0 is the first.
    pub fn number(&mut self, au: &[u8]) -> u64 {
        let place = match &mut self.counts {
            Counts::H264(h264) => h264.place(au),
            Counts::H265(h265) => h265.place(au),
        };
        self.at(place)
    }

    fn at(&mut self, place: PictureOrder) -> u64 {
        if place.restart || self.in_sequence == 0 {
            self.start = (self.next, place.count.unwrap_or(0));
            self.in_sequence = 0;
            self.state = State::Believing;
        }
        let count = place.count.map(|count| count - self.start.1);
        if count.is_some_and(|count| count % 2 != 0) {
            self.step = 1;
        }
        let relative = count.map(|count| count.div_euclid(self.step));
        let sane = relative.is_some_and(|relative| (relative - self.in_sequence).abs() <= MAX_DISTANCE);
        if count.is_some() && !sane {
            self.state = State::Counting;
        }
        let number = match relative {
            Some(relative) if self.state == State::Believing => self.start.0.saturating_add_signed(relative),
            _ => self.next,
        };
        self.in_sequence += 1;
        self.next = self.next.max(number + 1);
        number
    }
}

/// The most significant part of a count of which only the least significant bits are sent (H.264, section 8.2.1.1; H.265, section
/// 8.3.1), and what it is derived from.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    /// The whole count of the last picture that others refer to.
    previous: i64,
}

impl Counter {
    fn whole(self, lsb: u32, bits: u32) -> i64 {
        let range = 1i64 << bits;
        let lsb = i64::from(lsb);
        let (previous_msb, previous_lsb) = (self.previous.div_euclid(range) * range, self.previous.rem_euclid(range));
        let msb = if lsb < previous_lsb && previous_lsb - lsb >= range / 2 {
            previous_msb + range
        } else if lsb > previous_lsb && lsb - previous_lsb > range / 2 {
            previous_msb - range
        } else {
            previous_msb
        };
        msb + lsb
    }
}

#[derive(Default)]
struct H264 {
    context: Context,
    counter: Counter,
}

impl H264 {
    fn place(&mut self, au: &[u8]) -> PictureOrder {
        // The first field, where the picture is one.
        let mut first: Option<(PictureOrder, Field)> = None;
        for unit in nal::units(au) {
            match h264::type_of(unit) {
                h264::unit_type::SPS => {
                    if let Ok(sps) = h264::read_sps(unit) {
                        self.context.put_seq_param_set(sps);
                    }
                }
                h264::unit_type::PPS => {
                    if let Ok(pps) = PicParameterSet::from_bits(&self.context, RefNal::new(unit, &[], true).rbsp_bits()) {
                        self.context.put_pic_param_set(pps);
                    }
                }
                kind @ (h264::unit_type::SLICE | h264::unit_type::IDR) => {
                    let restart = kind == h264::unit_type::IDR;
                    if restart && first.is_none() {
                        self.counter = Counter::default();
                    }
                    let (count, field) = self.slice(&unit[..unit.len().min(HEAD)], first.as_ref().map(|(_, field)| field));
                    match (&mut first, field) {
                        (None, FieldPic::Frame) => return PictureOrder { restart, count },
                        (None, FieldPic::Field(field)) => first = Some((PictureOrder { restart, count }, field)),
                        // A frame is shown when the earlier of its fields is.
                        (Some((place, have)), FieldPic::Field(field)) if *have != field => {
                            let earlier = place.count.zip(count).map(|(a, b)| a.min(b));
                            return PictureOrder { count: earlier.or(place.count), ..*place };
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        first.map_or(PictureOrder { restart: false, count: None }, |(place, _)| place)
    }

    /// The count of a picture by its first slice, and which field it is; no count for types 1 and 2: type 2 has no reordering, type 1
    /// no encoder writes. Other slices of the field `known` say nothing new.
    fn slice(&mut self, head: &[u8], known: Option<&Field>) -> (Option<i64>, FieldPic) {
        let unit = RefNal::new(head, &[], false);
        let Ok(header) = unit.header() else { return (None, FieldPic::Frame) };
        let Ok((slice, sps, _)) = SliceHeader::from_bits(&self.context, &mut unit.rbsp_bits(), header, None) else {
            return (None, FieldPic::Frame);
        };
        let same = matches!((&slice.field_pic, known), (FieldPic::Field(field), Some(known)) if field == known);
        let count = if same { None } else { count(&mut self.counter, header.nal_ref_idc() != 0, &slice, &sps.pic_order_cnt) };
        (count, slice.field_pic)
    }
}

fn count(counter: &mut Counter, reference: bool, slice: &SliceHeader, kind: &PicOrderCntType) -> Option<i64> {
    let PicOrderCntType::TypeZero { log2_max_pic_order_cnt_lsb_minus4 } = kind else { return None };
    let (lsb, bottom) = match slice.pic_order_cnt_lsb.as_ref()? {
        PicOrderCountLsb::Frame(lsb) => (*lsb, 0),
        PicOrderCountLsb::FieldsAbsolute { pic_order_cnt_lsb, delta_pic_order_cnt_bottom } => {
            (*pic_order_cnt_lsb, *delta_pic_order_cnt_bottom)
        }
        PicOrderCountLsb::FieldsDelta(_) => return None,
    };
    let top = counter.whole(lsb, u32::from(*log2_max_pic_order_cnt_lsb_minus4) + 4);
    if reference {
        counter.previous = top;
    }
    Some(top + i64::from(bottom.min(0)))
}

#[derive(Default)]
struct H265 {
    /// From the sequence parameter set: bits of the count's least significant part, and separate_colour_plane_flag.
    poc_bits: u32,
    separate_planes: bool,
    /// From the picture parameter set.
    output_flag_present: bool,
    extra_header_bits: usize,
    counter: Counter,
}

impl H265 {
    fn place(&mut self, au: &[u8]) -> PictureOrder {
        for unit in nal::units(au) {
            match h265::type_of(unit) {
                h265::unit_type::SPS => {
                    if let Some(order) = h265::order_fields(unit) {
                        (self.poc_bits, self.separate_planes) = order;
                    }
                }
                h265::unit_type::PPS => drop(self.picture_parameter_set(unit)),
                kind @ 0..=31 => return self.slice(kind, unit),
                _ => {}
            }
        }
        PictureOrder { restart: false, count: None }
    }

    /// Section 7.3.2.3.1.
    fn picture_parameter_set(&mut self, unit: &[u8]) -> Option<()> {
        let rbsp = nal::rbsp(&unit[..unit.len().min(HEAD)], 2);
        let mut r = BitReader::new(&rbsp);
        r.ue()?;
        r.ue()?;
        r.flag()?;
        self.output_flag_present = r.flag()?;
        self.extra_header_bits = r.bits(3)? as usize;
        Some(())
    }

    fn slice(&mut self, kind: u8, unit: &[u8]) -> PictureOrder {
        const IDR: std::ops::RangeInclusive<u8> = 19..=20;
        const BLA: std::ops::RangeInclusive<u8> = 16..=18;
        let restart = IDR.contains(&kind) || BLA.contains(&kind);
        if restart {
            self.counter = Counter::default();
        }
        let count = if IDR.contains(&kind) { Some(0) } else { self.count(kind, unit) };
        // Leading pictures and those of lower layers that no other picture refers to are not counted from.
        let leading = matches!(kind, 6..=9);
        let unreferenced = kind < 16 && kind.is_multiple_of(2);
        let base_layer = unit.get(1).is_some_and(|b| b & 7 == 1);
        if let Some(count) = count.filter(|_| base_layer && !leading && !unreferenced) {
            self.counter.previous = count;
        }
        PictureOrder { restart, count }
    }

    /// slice_pic_order_cnt_lsb (section 7.3.6.1), made whole.
    fn count(&self, kind: u8, unit: &[u8]) -> Option<i64> {
        if self.poc_bits == 0 {
            return None;
        }
        let rbsp = nal::rbsp(&unit[..unit.len().min(HEAD)], 2);
        let mut r = BitReader::new(&rbsp);
        r.flag()?;
        if (16..=23).contains(&kind) {
            r.skip(1)?;
        }
        r.ue()?;
        r.skip(self.extra_header_bits)?;
        r.ue()?;
        r.skip(usize::from(self.output_flag_present) + 2 * usize::from(self.separate_planes))?;
        Some(self.counter.whole(r.bits(self.poc_bits)?, self.poc_bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_made_whole() {
        let mut counter = Counter::default();
        let mut counts = Vec::new();
        for lsb in [0, 8, 6, 12, 2, 0, 6] {
            let whole = counter.whole(lsb, 4);
            counter.previous = whole;
            counts.push(whole);
        }
        assert_eq!(counts, [0, 8, 6, 12, 18, 16, 22]);
        assert_eq!(Counter { previous: 1 }.whole(15, 4), -1, "before the first");
    }

    /// Numbers by made-up counts.
    fn numbers(step: i64, places: &[(bool, Option<i64>)]) -> Vec<u64> {
        let mut order = DisplayOrder::new(Counts::H265(H265::default()), step);
        places.iter().map(|&(restart, count)| order.at(PictureOrder { restart, count })).collect()
    }

    #[test]
    fn b_frames_are_numbered_at_once() {
        let gop = [(true, Some(0)), (false, Some(8)), (false, Some(4)), (false, Some(2)), (false, Some(6))];
        assert_eq!(numbers(2, &[gop, gop].concat()), [0, 4, 2, 1, 3, 5, 9, 7, 6, 8]);
    }

    #[test]
    fn a_step_of_one_is_recognised() {
        assert_eq!(numbers(2, &[(true, Some(0)), (false, Some(1)), (false, Some(2)), (true, Some(0)), (false, Some(1))]), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_makes_no_sense_is_counted() {
        assert_eq!(numbers(2, &[(true, None), (false, None), (false, None)]), [0, 1, 2]);
        assert_eq!(numbers(2, &[(true, Some(0)), (false, Some(20_000)), (false, Some(4)), (true, Some(0))]), [0, 1, 2, 3]);
    }

    #[test]
    fn garbage_does_no_harm() {
        let mut seed = 1u32;
        let mut order = [DisplayOrder::h264(), DisplayOrder::h265()];
        for _ in 0..2000 {
            let mut au = vec![0, 0, 0, 20];
            au.extend((0..20).map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            }));
            for order in &mut order {
                order.number(&au);
            }
        }
    }
}
