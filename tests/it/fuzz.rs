//! The checks of the fuzz targets on real inputs, and on each of them damaged in some hundred repeatable ways.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use crate::util::data;

/// Real inputs of every format; of the long ones the start.
fn corpus() -> Vec<Vec<u8>> {
    let files = ["mediarecorder-avc1-opus.mkv", "mediarecorder-vp8-opus.webm", "b-frames.h264", "b-frames.h265", "bigbuckbunny-3s.mp4"];
    let mut all: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(data(file)).unwrap()).collect();
    let jpeg = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x20\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\xaa\xff\xd9";
    let part = [b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: 27\r\n\r\n", &jpeg[..], b"\r\n"].concat();
    all.push(jpeg.repeat(4));
    all.push(part.repeat(4));
    all.push(b"YUV4MPEG2 W4 H2 F25:1 Cmono\nFRAME\npicturesFRAME\npictures".to_vec());
    all.push(
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x02\0\x2c\x01\0\0\xb0\x04\0\0\x04\0\x10\0data\xff\xff\xff\xffaaaabbbbccccdddd"
            .to_vec(),
    );
    all.push(b"\xff\xf1\x4c\x80\x01\x5f\xfcone\xff\xf1\x4c\x80\x01\x5f\xfctwo".to_vec());
    all.iter_mut().for_each(|input| input.truncate(6000));
    all
}

/// The same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }

    /// One to four of: a bit flipped, a byte changed, bytes taken out, bytes doubled, a cut.
    fn damage(&mut self, input: &[u8]) -> Vec<u8> {
        let mut out = input.to_vec();
        for _ in 0..=self.below(4) {
            if out.is_empty() {
                break;
            }
            let at = self.below(out.len());
            let end = (at + self.below(40)).min(out.len());
            match self.below(5) {
                0 => out[at] ^= 1 << self.below(8),
                1 => out[at] = [0, 0xff, 0x7f, 0x80, 1][self.below(5)],
                2 => drop(out.drain(at..end)),
                3 => drop(out.splice(at..at, input[at.min(input.len())..end.min(input.len())].to_vec())),
                _ => out.truncate(at),
            }
        }
        out
    }
}

#[test]
fn real_inputs_and_damaged_ones() {
    let corpus = corpus();
    for (name, target) in targets::TARGETS {
        for input in &corpus {
            target(input);
        }
        let mut chance = Chance(1);
        for round in 0..ROUNDS {
            let input = &corpus[round % corpus.len()];
            let damaged = chance.damage(&input[..input.len().min(1500)]);
            let outcome = std::panic::catch_unwind(|| target(&damaged));
            assert!(outcome.is_ok(), "{name}, round {round}: {damaged:02x?}");
        }
    }
}

const ROUNDS: usize = 300;
