//! H.264 without an encoder (Rec. ITU-T H.264, sections 7.3 and 9.1): macroblocks are raw samples (I_PCM) where the picture
//! changed and skipped where it did not. Exact to the bit, cheap under emulation, and still a true chain of references: a
//! frame that is lost shows. An IDR picture with its parameter sets opens every second at 30 frames a second.

use crate::clock::Stamp;
use crate::scene::Scene;

const MB: usize = 16;
const GOP: u32 = 30;
/// log2_max_frame_num_minus4 + 4.
const FRAME_NUM_BITS: u32 = 8;

pub struct H264 {
    scene: Scene,
    luma: Vec<u8>,
    /// Cb, then Cr, of each macroblock: they stand still.
    chroma: Vec<[u8; 128]>,
    frames: u32,
    frame: Vec<u8>,
}

impl H264 {
    /// Width and height of the scene must be multiples of 16.
    pub fn new(scene: Scene) -> H264 {
        let luma = (0..scene.height).flat_map(|y| (0..scene.width).map(move |x| scene.still(x, y)[0])).collect();
        let macroblocks = (0..scene.height / MB).flat_map(|y| (0..scene.width / MB).map(move |x| (x, y)));
        let chroma = macroblocks.map(|(x, y)| chroma(&scene, x, y)).collect();
        H264 { scene, luma, chroma, frames: 0, frame: Vec::new() }
    }

    /// The next access unit, Annex B.
    pub fn frame(&mut self, stamp: Stamp) -> &[u8] {
        let changed = self.draw(stamp);
        let idr = self.frames.is_multiple_of(GOP);
        self.frame.clear();
        if idr {
            nal(&mut self.frame, 0x67, &sps(self.scene.width / MB, self.scene.height / MB));
            nal(&mut self.frame, 0x68, &pps());
        }
        let slice = self.slice(idr, &changed);
        nal(&mut self.frame, if idr { 0x65 } else { 0x41 }, &slice);
        self.frames = self.frames.wrapping_add(1);
        &self.frame
    }

    /// Draws the strip, and tells which macroblocks it changed; those below the strip are left out.
    fn draw(&mut self, stamp: Stamp) -> Vec<bool> {
        let (width, columns) = (self.scene.width, self.scene.width / MB);
        let strip = self.scene.strip(stamp);
        let mut changed = vec![false; self.scene.strip_height().div_ceil(MB) * columns];
        for (y, row) in strip.rows().enumerate() {
            let line = &mut self.luma[y * width..][..width];
            for (x, (old, new)) in line.chunks_exact_mut(MB).zip(row.chunks_exact(MB)).enumerate() {
                changed[y / MB * columns + x] |= old != new;
                old.copy_from_slice(new);
            }
        }
        changed
    }

    fn slice(&self, idr: bool, changed: &[bool]) -> Vec<u8> {
        let mut w = Bits::default();
        w.ue(0); // first_mb_in_slice
        w.ue(if idr { 7 } else { 5 }); // slice_type: all I, all P
        w.ue(0); // pic_parameter_set_id
        w.put(self.frames % GOP, FRAME_NUM_BITS);
        if idr {
            w.ue(self.frames / GOP % 2); // idr_pic_id
            w.put(0, 2); // no_output_of_prior_pics_flag, long_term_reference_flag
        } else {
            w.put(0, 1); // num_ref_idx_active_override_flag
            w.put(0, 1); // ref_pic_list_modification_flag_l0
            w.put(0, 1); // adaptive_ref_pic_marking_mode_flag
        }
        w.ue(0); // slice_qp_delta
        w.ue(1); // disable_deblocking_filter_idc
        let mut skipped = 0;
        for n in 0..self.chroma.len() {
            if !idr && !changed.get(n).is_some_and(|c| *c) {
                skipped += 1;
                continue;
            }
            if !idr {
                w.ue(std::mem::take(&mut skipped)); // mb_skip_run
            }
            w.ue(if idr { 25 } else { 30 }); // mb_type: I_PCM
            self.macroblock(&mut w, n);
        }
        if skipped > 0 {
            w.ue(skipped);
        }
        w.finish()
    }

    fn macroblock(&self, w: &mut Bits, n: usize) {
        let columns = self.scene.width / MB;
        let (x, y) = (n % columns * MB, n / columns * MB);
        w.align(); // pcm_alignment_zero_bit
        for line in self.luma[y * self.scene.width..].chunks_exact(self.scene.width).take(MB) {
            w.bytes.extend_from_slice(&line[x..x + MB]);
        }
        w.bytes.extend_from_slice(&self.chroma[n]);
    }
}

fn chroma(scene: &Scene, mb_x: usize, mb_y: usize) -> [u8; 128] {
    std::array::from_fn(|i| {
        let (plane, x, y) = (i / 64, i % 8 * 2, i % 64 / 8 * 2);
        scene.still(mb_x * MB + x, mb_y * MB + y)[1 + plane]
    })
}

/// Constrained Baseline, level 4, one reference, output order = decoding order.
fn sps(columns: usize, rows: usize) -> Vec<u8> {
    let mut w = Bits::default();
    w.put(66, 8); // profile_idc
    w.put(0b1100_0000, 8); // constraint_set0_flag, constraint_set1_flag
    w.put(40, 8); // level_idc
    w.ue(0); // seq_parameter_set_id
    w.ue(FRAME_NUM_BITS - 4);
    w.ue(2); // pic_order_cnt_type
    w.ue(1); // max_num_ref_frames
    w.put(0, 1); // gaps_in_frame_num_value_allowed_flag
    w.ue(columns as u32 - 1);
    w.ue(rows as u32 - 1);
    w.put(0b11, 2); // frame_mbs_only_flag, direct_8x8_inference_flag
    w.put(0, 2); // frame_cropping_flag, vui_parameters_present_flag
    w.finish()
}

fn pps() -> Vec<u8> {
    let mut w = Bits::default();
    w.ue(0); // pic_parameter_set_id
    w.ue(0); // seq_parameter_set_id
    w.put(0, 2); // entropy_coding_mode_flag: CAVLC, bottom_field_pic_order_in_frame_present_flag
    w.ue(0); // num_slice_groups_minus1
    w.ue(0); // num_ref_idx_l0_default_active_minus1
    w.ue(0); // num_ref_idx_l1_default_active_minus1
    w.put(0, 3); // weighted_pred_flag, weighted_bipred_idc
    w.ue(0); // pic_init_qp_minus26
    w.ue(0); // pic_init_qs_minus26
    w.ue(0); // chroma_qp_index_offset
    w.put(0b100, 3); // deblocking_filter_control_present_flag, constrained_intra_pred_flag, redundant_pic_cnt_present_flag
    w.finish()
}

/// Appends start code, header byte and payload with emulation prevention (section 7.3.1).
fn nal(out: &mut Vec<u8>, header: u8, payload: &[u8]) {
    out.extend([0, 0, 0, 1, header]);
    let mut zeros = 0;
    for byte in payload {
        if zeros >= 2 && *byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
}

/// A writer of bits, most significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    partial: u8,
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        for i in (0..bits).rev() {
            self.partial = self.partial << 1 | (value >> i & 1) as u8;
            self.used += 1;
            if self.used == 8 {
                self.bytes.push(self.partial);
                (self.partial, self.used) = (0, 0);
            }
        }
    }

    /// Exp-Golomb code, unsigned (section 9.1).
    fn ue(&mut self, value: u32) {
        let bits = (value + 1).ilog2();
        self.put(0, bits);
        self.put(value + 1, bits + 1);
    }

    fn align(&mut self) {
        if self.used > 0 {
            self.put(0, 8 - self.used);
        }
    }

    /// rbsp_trailing_bits.
    fn finish(mut self) -> Vec<u8> {
        self.put(1, 1);
        self.align();
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb() {
        let mut w = Bits::default();
        for v in [0, 1, 2, 3, 25] {
            w.ue(v);
        }
        assert_eq!(w.finish(), [0b1010_0110, 0b0100_0000, 0b1101_0100]);
    }

    #[test]
    fn start_codes_do_not_appear_inside() {
        let mut out = Vec::new();
        nal(&mut out, 0x65, &[0, 0, 0, 0, 0, 1, 0, 0, 3]);
        assert_eq!(out, [0, 0, 0, 1, 0x65, 0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 3, 3]);
    }

    #[test]
    fn an_idr_picture_each_gop_and_small_ones_between() {
        let mut h264 = H264::new(Scene { width: 640, height: 480, colour: [100, 90, 80] });
        let sizes: Vec<usize> = (0..61).map(|n| h264.frame(Stamp { time: n * 33, number: n }).len()).collect();
        for (n, size) in sizes.iter().enumerate() {
            assert_eq!(n % 30 == 0, *size > 1200 * 384, "frame {n} has {size} bytes");
        }
    }
}
