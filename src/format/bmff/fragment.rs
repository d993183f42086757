//! The head of a fragment: everything between one frame's bytes and the next's.

use crate::media::WallTime;
use bytes::{BufMut, Bytes, BytesMut};

/// One CMAF chunk: samples of one track (ISO/IEC 23000-19, section 7.3.2.3).
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// Counts fragments from 1 (`mfhd`).
    pub sequence: u32,
    /// track_ID.
    pub track_id: u32,
    /// Decode time of the first sample, in ticks of the track (`tfdt`).
    pub decode_time: u64,
    /// The frames, in decoding order.
    pub samples: &'a [Sample],
    /// The wall-clock time of the first frame, written before the fragment.
    pub producer_time: Option<ProducerTime>,
}

/// One frame in a fragment; times in ticks of the track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// In bytes.
    pub size: u32,
    /// How long it is shown.
    pub duration: u32,
    /// Presentation time less decode time.
    pub composition_offset: i32,
    /// A decoder can start at it.
    pub key: bool,
}

/// When a frame was captured (`prft`, section 8.16.5: the time of input to the encoder).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerTime {
    /// The wall-clock time.
    pub wall: WallTime,
    /// The frame's presentation time on the media time line, in ticks.
    pub media_time: u64,
}

impl Fragment<'_> {
    /// `prft` (where there is a producer time), `moof`, and the header of the `mdat`, after which the samples follow. They are
    /// written to the end of `out`, which gives one allocation to many heads.
    ///
    /// ```text
    /// prft 32
    /// moof 8 | mfhd 16 | traf 8 | tfhd 16 | tfdt 20 (64-bit) | trun 20 + 16 a sample
    /// mdat 8
    /// ```
    pub fn head(&self, out: &mut BytesMut) -> Bytes {
        const FIXED: usize = 8 + 16 + 8 + 16 + 20 + 20;
        let moof = FIXED + 16 * self.samples.len();
        let data: u64 = self.samples.iter().map(|s| u64::from(s.size)).sum();
        out.reserve(32 + moof + 16);
        if let Some(producer) = self.producer_time {
            self.prft(out, producer);
        }
        let large = data + 8 > u64::from(u32::MAX);
        begin(out, moof, b"moof");
        full(out, 16, b"mfhd", 0);
        out.put_u32(self.sequence);
        begin(out, moof - 24, b"traf");
        const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
        full(out, 16, b"tfhd", DEFAULT_BASE_IS_MOOF);
        out.put_u32(self.track_id);
        full(out, 20, b"tfdt", VERSION_1);
        out.put_u64(self.decode_time);
        // Data offset; duration, size, flags and composition offset of each sample; version 1: signed offsets.
        const FIELDS: u32 = 0x00_0f01;
        full(out, 20 + 16 * self.samples.len(), b"trun", VERSION_1 | FIELDS);
        out.put_u32(self.samples.len() as u32);
        out.put_u32((moof + if large { 16 } else { 8 }) as u32);
        for sample in self.samples {
            out.put_u32(sample.duration);
            out.put_u32(sample.size);
            out.put_u32(if sample.key { SYNC } else { NON_SYNC });
            out.put_i32(sample.composition_offset);
        }
        if large {
            out.put_u32(1);
            out.put_slice(b"mdat");
            out.put_u64(data + 16);
        } else {
            begin(out, data as usize + 8, b"mdat");
        }
        out.split().freeze()
    }

    fn prft(&self, out: &mut BytesMut, producer: ProducerTime) {
        full(out, 32, b"prft", VERSION_1);
        out.put_u32(self.track_id);
        out.put_u64(producer.wall.ntp());
        out.put_u64(producer.media_time);
    }
}

const VERSION_1: u32 = 1 << 24;
/// sample_depends_on 2 (on no other), sync (section 8.8.3.1).
const SYNC: u32 = 0x0200_0000;
/// sample_depends_on 1 (on others), sample_is_non_sync_sample.
const NON_SYNC: u32 = 0x0101_0000;

fn begin(out: &mut BytesMut, size: usize, kind: &[u8; 4]) {
    out.put_u32(size as u32);
    out.put_slice(kind);
}

fn full(out: &mut BytesMut, size: usize, kind: &[u8; 4], version_and_flags: u32) {
    begin(out, size, kind);
    out.put_u32(version_and_flags);
}

#[cfg(test)]
mod tests {
    use super::*;
    use mp4_atom::{Decode, Moof, Prft};

    #[test]
    fn mp4_atom_reads_what_is_written_by_hand() {
        let samples = [
            Sample { size: 1000, duration: 33_333, composition_offset: 0, key: true },
            Sample { size: 10, duration: 33_334, composition_offset: -5, key: false },
        ];
        let wall = WallTime(1_700_000_000_000_000);
        let producer_time = Some(ProducerTime { wall, media_time: 1 << 40 });
        let head = Fragment { sequence: 7, track_id: 2, decode_time: 1 << 40, samples: &samples, producer_time }.head(&mut BytesMut::new());
        let mut rest = &head[..];
        let prft = Prft::decode(&mut rest).unwrap();
        assert_eq!((prft.reference_track_id, prft.ntp_timestamp, prft.media_time), (2, wall.ntp(), 1 << 40));
        let moof_len = rest.len() - 8;
        let moof = Moof::decode(&mut rest).unwrap();
        assert_eq!(rest, b"\0\0\x03\xfamdat", "1000 + 10 + 8");
        let traf = &moof.traf[0];
        assert_eq!((moof.mfhd.sequence_number, traf.tfhd.track_id, traf.tfhd.default_base_is_moof), (7, 2, true));
        assert_eq!(traf.tfdt.as_ref().unwrap().base_media_decode_time, 1 << 40);
        assert_eq!(traf.trun[0].data_offset, Some(moof_len as i32 + 8));
        let read: Vec<_> = traf.trun[0].samples.iter().map(|s| (s.size, s.duration, s.cts, s.flags)).collect();
        assert_eq!(read[0], (Some(1000), Some(33_333), Some(0), Some(SYNC)));
        assert_eq!(read[1], (Some(10), Some(33_334), Some(-5), Some(NON_SYNC)));
    }
}
