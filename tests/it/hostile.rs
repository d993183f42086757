//! Inputs that no honest program writes: sizes of 2^60, a million tracks, empty NAL units, pictures of 65535 × 65535.

/// One hostile input.
pub struct Hostile {
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

/// All of them.
pub fn all() -> Vec<Hostile> {
    [matroska(), mp4(), bare_streams()].into_iter().flatten().collect()
}

fn hostile(name: &'static str, bytes: Vec<u8>) -> Hostile {
    Hostile { name, bytes }
}

fn matroska() -> Vec<Hostile> {
    let header = ebml(b"\x1a\x45\xdf\xa3", &ebml(b"\x42\x82", b"matroska"));
    let segment = [header.clone(), unknown_size(b"\x18\x53\x80\x67")].concat();
    let start = [segment.clone(), ebml(TRACKS, &video_entry(1, "V_MPEG4/ISO/AVC"))].concat();
    let cluster = |body: &[u8]| [start.clone(), ebml(CLUSTER, &[ebml(b"\xe7", &[0]), body.to_vec()].concat())].concat();
    let audio = |body: &[u8]| {
        let tracks = ebml(TRACKS, &audio_entry(1, "A_OPUS", b"OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00"));
        [segment.clone(), tracks, ebml(CLUSTER, &[ebml(b"\xe7", &[0]), body.to_vec()].concat())].concat()
    };
    vec![
        hostile("EBML header of 2^55 bytes", [&b"\x1a\x45\xdf\xa3"[..], &size(1 << 55), &[0; 5000]].concat()),
        hostile("Tracks of 2^55 bytes", [&segment[..], TRACKS, &size(1 << 55), &[0; 5000]].concat()),
        hostile("Cluster of 2^55 bytes", [&start[..], CLUSTER, &size(1 << 55), &[0; 5000]].concat()),
        hostile("SimpleBlock of 2^55 bytes", [&start[..], &unknown_size(CLUSTER), b"\xa3", &size(1 << 55), &[0x81; 5000]].concat()),
        hostile("Void of 2^55 bytes", [&start[..], b"\xec", &size(1 << 55), &[0; 5000]].concat()),
        hostile("CodecPrivate of 2^55 bytes", {
            let entry = [ebml(b"\xd7", &[1]), ebml(b"\x83", &[1]), [&b"\x63\xa2"[..], &size(1 << 55)].concat()].concat();
            [&segment[..], &ebml(TRACKS, &ebml(ENTRY, &entry)), &[0; 5000]].concat()
        }),
        hostile("a million tracks", {
            let entries: Vec<u8> = (1..=1_000_000u32).flat_map(|n| ebml(ENTRY, &ebml(b"\xd7", &n.to_be_bytes()))).collect();
            [segment.clone(), ebml(TRACKS, &entries)].concat()
        }),
        hostile("a picture of 2^31 × 2^31", {
            let video = ebml(b"\xe0", &[ebml(b"\xb0", &(1u32 << 31).to_be_bytes()), ebml(b"\xba", &(1u32 << 31).to_be_bytes())].concat());
            let entry = [ebml(b"\xd7", &[1]), ebml(b"\x83", &[1]), ebml(b"\x86", b"V_UNCOMPRESSED"), video].concat();
            [segment.clone(), ebml(TRACKS, &ebml(ENTRY, &entry)), unknown_size(CLUSTER), vec![0; 5000]].concat()
        }),
        hostile("a raw picture of 3 bytes", {
            let tracks = ebml(TRACKS, &video_entry(1, "V_UNCOMPRESSED"));
            [segment.clone(), tracks, ebml(CLUSTER, &ebml(b"\xa3", b"\x81\0\0\x80abc"))].concat()
        }),
        hostile("lacing that promises 256 frames in no bytes", cluster(&ebml(b"\xa3", b"\x81\0\0\x06\xff"))),
        hostile("EBML lacing of 2^55 bytes", audio(&ebml(b"\xa3", &[&b"\x81\0\0\x06\x01"[..], &size(1 << 55), b"xx"].concat()))),
        hostile("empty NAL units in length-prefixed H.264", cluster(&ebml(b"\xa3", &[b"\x81\0\0\x80", &[0; 4000][..]].concat()))),
        hostile("NAL unit of 2^32 - 1 bytes", cluster(&ebml(b"\xa3", b"\x81\0\0\x80\xff\xff\xff\xffab"))),
        hostile("empty blocks", audio(&ebml(b"\xa3", b"\x81\0\0\x80").repeat(10_000))),
        hostile("the last time that there is", {
            let late = [ebml(b"\xe7", &u64::MAX.to_be_bytes()), ebml(b"\xa3", b"\x81\x7f\xff\x80\xfc\xff\xfe")].concat();
            [audio(&[]), ebml(CLUSTER, &late), ebml(CLUSTER, &late)].concat()
        }),
        hostile("a thousand Segments", [segment.clone(), ebml(TRACKS, &video_entry(1, "V_MPEG4/ISO/AVC"))].concat().repeat(1000)),
        hostile("TimestampScale 0", {
            let info = ebml(b"\x15\x49\xa9\x66", &ebml(b"\x2a\xd7\xb1", &[0]));
            let tracks = ebml(TRACKS, &audio_entry(1, "A_PCM/INT/LIT", b""));
            [segment.clone(), info, tracks, ebml(CLUSTER, &ebml(b"\xa3", b"\x81\0\0\x80abcd"))].concat()
        }),
    ]
}

const TRACKS: &[u8] = b"\x16\x54\xae\x6b";
const ENTRY: &[u8] = b"\xae";
const CLUSTER: &[u8] = b"\x1f\x43\xb6\x75";

fn video_entry(number: u8, codec: &str) -> Vec<u8> {
    let picture = ebml(b"\xe0", &[ebml(b"\xb0", &[0, 64]), ebml(b"\xba", &[0, 64]), ebml(b"\x2e\xb5\x24", b"I420")].concat());
    ebml(ENTRY, &[ebml(b"\xd7", &[number]), ebml(b"\x83", &[1]), ebml(b"\x86", codec.as_bytes()), picture].concat())
}

fn audio_entry(number: u8, codec: &str, config: &[u8]) -> Vec<u8> {
    let sound = ebml(b"\xe1", &[ebml(b"\xb5", &48000f64.to_be_bytes()), ebml(b"\x9f", &[2]), ebml(b"\x62\x64", &[16])].concat());
    let entry = [ebml(b"\xd7", &[number]), ebml(b"\x83", &[2]), ebml(b"\x86", codec.as_bytes()), ebml(b"\x63\xa2", config), sound];
    ebml(ENTRY, &entry.concat())
}

/// An element (RFC 8794, section 6): ID, size in eight bytes, body.
fn ebml(id: &[u8], body: &[u8]) -> Vec<u8> {
    [id, &size(body.len() as u64), body].concat()
}

fn size(n: u64) -> [u8; 8] {
    (n | 1 << 56).to_be_bytes()
}

fn unknown_size(id: &[u8]) -> Vec<u8> {
    [id, b"\x01\xff\xff\xff\xff\xff\xff\xff"].concat()
}

fn mp4() -> Vec<Hostile> {
    let start = mp4_box(b"ftyp", b"iso6\0\0\0\0iso6cmfc");
    let huge = |kind: &[u8; 4]| [&[0, 0, 0, 1], &kind[..], &(1u64 << 60).to_be_bytes(), &[0; 5000]].concat();
    let fragment = |run: Vec<u8>| {
        let header = mp4_box(b"tfhd", &[0, 2, 0, 0, 0, 0, 0, 1]);
        let moof = mp4_box(b"moof", &[mp4_box(b"mfhd", &[0; 8]), mp4_box(b"traf", &[header, run].concat())].concat());
        [start.clone(), movie(1), moof, mp4_box(b"mdat", &[0; 100])].concat()
    };
    vec![
        hostile("ftyp of 2^60 bytes", huge(b"ftyp")),
        hostile("moov of 2^60 bytes", [start.clone(), huge(b"moov")].concat()),
        hostile("moof of 2^60 bytes", [start.clone(), movie(1), huge(b"moof")].concat()),
        hostile("mdat of 2^60 bytes", [start.clone(), movie(1), huge(b"mdat")].concat()),
        hostile("free of 2^60 bytes", [start.clone(), huge(b"free")].concat()),
        hostile("box of 3 bytes", [start.clone(), b"\0\0\0\x03moov".to_vec()].concat()),
        hostile("box sizes of 1 and 7", [start.clone(), b"\0\0\0\x01moov\0\0\0\0\0\0\0\x07".to_vec()].concat()),
        hostile("100,000 trak boxes", [start.clone(), movie(100_000)].concat()),
        hostile("moov inside moov, 1,000 deep", {
            let nested = (0..1000).fold(Vec::new(), |inside, _| mp4_box(b"moov", &inside));
            [start.clone(), nested].concat()
        }),
        hostile("trun of 2^32 - 1 samples", fragment(mp4_box(b"trun", b"\0\0\x03\x01\xff\xff\xff\xff\0\0\0\x64"))),
        hostile("trun of 2^32 - 1 samples without fields", fragment(mp4_box(b"trun", b"\0\0\0\0\xff\xff\xff\xff"))),
        hostile("sample of 2^32 - 1 bytes", fragment(mp4_box(b"trun", b"\0\0\x02\x01\0\0\0\x01\0\0\0\x64\xff\xff\xff\xff"))),
        hostile("data offset of -2^31", fragment(mp4_box(b"trun", b"\0\0\x02\x01\0\0\0\x01\x80\0\0\0\0\0\0\x04"))),
        hostile("a thousand ftyp", start.repeat(1000)),
    ]
}

fn mp4_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(8 + body.len() as u32).to_be_bytes(), &kind[..], body].concat()
}

fn movie(tracks: usize) -> Vec<u8> {
    let head = mp4_box(b"mvhd", &[&[0; 12][..], &1000u32.to_be_bytes(), &[0; 84]].concat());
    let track = mp4_box(b"trak", &mp4_box(b"tkhd", &[&[0; 12][..], &1u32.to_be_bytes(), &[0; 68]].concat()));
    mp4_box(b"moov", &[head, track.repeat(tracks)].concat())
}

fn bare_streams() -> Vec<Hostile> {
    let jpeg = |height: u16, width: u16| {
        let frame = [&b"\xff\xc0\0\x11\x08"[..], &height.to_be_bytes(), &width.to_be_bytes(), b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01"];
        [b"\xff\xd8", &frame.concat()[..], b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0", &[0; 2000], b"\xff\xd9"].concat()
    };
    vec![
        hostile("nothing but start codes", b"\0\0\x01".repeat(300_000)),
        hostile("start codes after a parameter set", [&b"\0\0\0\x01\x67\x42\xc0\x1f"[..], &b"\0\0\x01".repeat(300_000)].concat()),
        hostile("an access unit without end", [&b"\0\0\0\x01\x67\x42\xc0\x1f\0\0\0\x01\x65"[..], &[0x55; 40_000_000]].concat()),
        hostile("JPEG of 65535 × 65535", jpeg(65535, 65535).repeat(3)),
        hostile("JPEG of 0 × 0", jpeg(0, 0).repeat(3)),
        hostile("JPEG segments of no length", [&b"\xff\xd8"[..], &b"\xff\xe0\0\0".repeat(100_000)].concat()),
        hostile("JPEG without end", [&b"\xff\xd8\xff\xe0\0\x10JFIF\0"[..], &[0x55; 80_000_000]].concat()),
        hostile("y4m of 2^31 × 2^31", b"YUV4MPEG2 W2147483648 H2147483648 F25:1\nFRAME\n".to_vec()),
        hostile("y4m at 0 frames a second", [&b"YUV4MPEG2 W2 H2 F0:0 C420\n"[..], &b"FRAME\n123456".repeat(100)].concat()),
        hostile("y4m header without end", [&b"YUV4MPEG2 "[..], &b"Xa ".repeat(1_000_000)].concat()),
        hostile("WAV of 65535 channels at 2^32 - 1 Hz", {
            [&b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\x10\0data\xff\xff\xff\xff"[..], &[0; 9000]]
                .concat()
        }),
        hostile(
            "WAV of 0 channels",
            b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0data\xff\xff\xff\xff1234".to_vec(),
        ),
        hostile("FLV tags of 16 MiB of nothing", {
            let tag = [&b"\0\0\0\0\x09\xff\xff\xff\0\0\0\0\0\0\0\x17\x01\0\0\0"[..], &[0; (1 << 24) - 6]].concat();
            [&b"FLV\x01\x05\0\0\0\x09"[..], &tag.repeat(3)].concat()
        }),
        hostile("an FLV header of 2^32 - 1 bytes", [&b"FLV\x01\x05\xff\xff\xff\xff"[..], &[0; 9000]].concat()),
        hostile("FLV without tags", [&b"FLV\x01\x05\0\0\0\x09\0\0\0\0"[..], &[0x55; 40_000_000]].concat()),
        hostile("a transport stream without tables", [&b"\x47\x41\0\x10"[..], &[0xff; 184]].concat().repeat(400_000)),
        hostile("packets of a transport stream, then none", {
            [[&b"\x47\x41\0\x10"[..], &[0xff; 184]].concat().repeat(10), vec![0x55; 40_000_000]].concat()
        }),
        hostile("ADTS frames of 7 bytes", b"\xff\xf1\x50\x80\0\xff\xfc".repeat(100_000)),
        hostile("multipart with a Content-Length of 2^60", {
            [&b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: 1152921504606846976\r\n\r\n\xff\xd8"[..], &[0; 9000]].concat()
        }),
        hostile("multipart header without end", [&b"--x\r\nContent-Type: image/jpeg\r\n"[..], &b"X-A: b\r\n".repeat(500_000)].concat()),
    ]
}
