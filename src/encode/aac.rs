//! AAC-LC by VisualOn's encoder, libvo-aacenc (Apache-2.0), which is loaded when it is asked for: it is a library of 100 kB
//! that programs with Opus do without, so building takes no more for it. The only unsafe code of the AAC encoder.
//!
//! The interface is that of its headers voAAC.h, voAudio.h, voMem.h and voType.h, version 0.1.3: one frame of 1024 samples in,
//! one raw access unit out.

use crate::codec::aac::AudioSpecificConfig;
use crate::media::{Track, Unsupported};
use bytes::Bytes;
use std::ffi::{CStr, c_int, c_long, c_longlong, c_short, c_ulong, c_void};
use std::ptr;
use std::time::Duration;

/// Samples in an access unit (ISO/IEC 14496-3, section 4.5.1.1).
pub const FRAME: usize = 1024;
/// Samples that the encoder's filter bank and its look-ahead for block switching put before the audio (measured;
/// tests/it/enc.rs hears whether it is right).
const DELAY: u32 = 1600;
/// ISO/IEC 14496-3, section 4.5.1.1: 6144 bits of a channel's input buffer.
const MAX_UNIT: usize = 2 * 6144 / 8;

/// Rates that the encoder takes and that players like; others are resampled to 48 kHz.
pub fn rate_for(input: u32) -> u32 {
    const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
    if RATES.contains(&input) { input } else { 48_000 }
}

#[cfg(not(target_os = "macos"))]
const LIBRARY: &CStr = c"libvo-aacenc.so.0";
#[cfg(target_os = "macos")]
const LIBRARY: &CStr = c"libvo-aacenc.0.dylib";

/// VO_PID_AAC_ENCPARAM, VO_AUDIO_CodingAAC, VO_IMF_USERMEMOPERATOR.
const ENCODER_PARAMETERS: c_long = 0x4221_1040;
const CODING_AAC: c_int = 8;
const USER_MEMORY_OPERATOR: c_int = 0;

type Handle = *mut c_void;

/// VO_AUDIO_CODECAPI.
#[repr(C)]
#[derive(Clone, Copy)]
struct Calls {
    init: Option<unsafe extern "C" fn(*mut Handle, c_int, *mut InitData) -> c_ulong>,
    set_input: Option<unsafe extern "C" fn(Handle, *mut Buffer) -> c_ulong>,
    get_output: Option<unsafe extern "C" fn(Handle, *mut Buffer, *mut OutputInfo) -> c_ulong>,
    set_param: Option<unsafe extern "C" fn(Handle, c_long, *mut c_void) -> c_ulong>,
    get_param: Option<unsafe extern "C" fn(Handle, c_long, *mut c_void) -> c_ulong>,
    uninit: Option<unsafe extern "C" fn(Handle) -> c_ulong>,
}

/// VO_CODECBUFFER.
#[repr(C)]
struct Buffer {
    data: *mut u8,
    length: c_ulong,
    time: c_longlong,
}

/// VO_AUDIO_OUTPUTINFO.
#[repr(C)]
#[derive(Default)]
struct OutputInfo {
    rate: c_long,
    channels: c_long,
    bits: c_long,
    input_used: c_ulong,
    reserved: c_ulong,
}

/// AACENC_PARAM.
#[repr(C)]
struct Parameters {
    rate: c_int,
    bitrate: c_int,
    channels: c_short,
    adts: c_short,
}

/// VO_CODEC_INIT_USERDATA.
#[repr(C)]
struct InitData {
    flag: c_int,
    data: *mut c_void,
    reserved: [c_ulong; 2],
}

/// VO_MEM_OPERATOR: the library's own functions, which it nevertheless wants to be handed.
type MemoryOperator = [*mut c_void; 7];
const MEMORY_FUNCTIONS: [&CStr; 7] =
    [c"cmnMemAlloc", c"cmnMemFree", c"cmnMemSet", c"cmnMemCopy", c"cmnMemCheck", c"cmnMemCompare", c"cmnMemMove"];

/// A call that the library refused, with its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("libvo-aacenc: {call} failed with code {code:#x}")]
pub struct Error {
    call: &'static str,
    code: c_ulong,
}

/// Why there is no encoder.
#[derive(Debug)]
pub enum OpenError {
    /// The library is not installed.
    Missing(Unsupported),
    /// It refused the parameters.
    Refused(Error),
}

impl From<Error> for OpenError {
    fn from(error: Error) -> OpenError {
        OpenError::Refused(error)
    }
}

pub struct Encoder {
    handle: Handle,
    calls: Calls,
    /// The library keeps a pointer to it.
    _memory: Box<MemoryOperator>,
    channels: usize,
    rate: u32,
    samples: Vec<i16>,
}

// SAFETY: the handle has no ties to the thread that made it, and `&mut self` keeps calls one at a time.
unsafe impl Send for Encoder {}

impl Encoder {
    /// `rate` one of [`rate_for`]'s, `channels` 1 or 2, `bitrate` in bits a second.
    ///
    /// # Errors
    /// If the library is not installed or refuses the parameters.
    pub fn new(rate: u32, channels: usize, bitrate: u32) -> Result<Encoder, OpenError> {
        let (calls, mut memory) = load()?;
        let mut handle = ptr::null_mut();
        let mut data = InitData { flag: USER_MEMORY_OPERATOR, data: (&raw mut *memory).cast(), reserved: [0; 2] };
        let init = required("Init", calls.init)?;
        // SAFETY: `handle` and `data` are valid places of the types that voAudio.h names; `memory` outlives the handle.
        check("Init", unsafe { init(&raw mut handle, CODING_AAC, &raw mut data) })?;
        let encoder = Encoder { handle, calls, _memory: memory, channels, rate, samples: Vec::with_capacity(FRAME * channels) };
        let least = 8_000 * channels as u32;
        // An access unit is at most 6144 bits a channel.
        let most = (6144 * u64::from(rate) / FRAME as u64 * channels as u64).min(320_000) as u32;
        let mut parameters = Parameters {
            rate: rate as c_int,
            bitrate: bitrate.clamp(least, most.max(least)) as c_int,
            channels: channels as c_short,
            adts: 0,
        };
        let set = required("SetParam", encoder.calls.set_param)?;
        // SAFETY: the handle is initialised; the parameter is of the type that its identifier names, and is copied.
        check("SetParam", unsafe { set(encoder.handle, ENCODER_PARAMETERS, (&raw mut parameters).cast()) })?;
        Ok(encoder)
    }

    /// # Errors
    /// In practice there are none: the configuration is our own.
    pub fn track(&self) -> Result<Track, crate::media::Malformed> {
        let config = AudioSpecificConfig::lc(self.rate, self.channels as u16).build();
        let mut track = crate::codec::aac::track(config)?;
        if let crate::media::Params::Audio(audio) = &mut track.params {
            audio.delay = Duration::from_nanos(u64::from(DELAY) * 1_000_000_000 / u64::from(self.rate));
        }
        Ok(track)
    }

    /// One access unit of [`FRAME`] interleaved sample frames.
    ///
    /// # Errors
    /// If the library fails.
    pub fn encode(&mut self, frame: &[f32]) -> Result<Bytes, Error> {
        self.samples.clear();
        self.samples.extend(frame.iter().map(|sample| (sample * 32_768.0).round() as i16));
        let mut input = Buffer { data: self.samples.as_mut_ptr().cast(), length: 2 * self.samples.len() as c_ulong, time: 0 };
        let (set, get) = (required("SetInputData", self.calls.set_input)?, required("GetOutputData", self.calls.get_output)?);
        let mut unit = vec![0; MAX_UNIT];
        let mut output = Buffer { data: unit.as_mut_ptr(), length: unit.len() as c_ulong, time: 0 };
        let mut info = OutputInfo::default();
        // SAFETY: the handle is initialised, the input is one frame, which is used up by the call that follows, and the output
        // has room for the largest access unit there is.
        unsafe {
            check("SetInputData", set(self.handle, &raw mut input))?;
            check("GetOutputData", get(self.handle, &raw mut output, &raw mut info))?;
        }
        unit.truncate(usize::try_from(output.length).unwrap_or(0));
        Ok(unit.into())
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        if let Some(uninit) = self.calls.uninit {
            // SAFETY: made by `Init`, ended once.
            unsafe { uninit(self.handle) };
        }
    }
}

/// The library, loaded once and never unloaded.
fn load() -> Result<(Calls, Box<MemoryOperator>), OpenError> {
    let missing = || Unsupported {
        what: "the AAC encoder libvo-aacenc is not installed".to_owned(),
        advice: "install it (Debian, Ubuntu: apt install libvo-aacenc0) or use --audio opus".to_owned(),
    };
    // SAFETY: plain loading of a library by name; its constructors do nothing.
    let library = unsafe { libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if library.is_null() {
        return Err(OpenError::Missing(missing()));
    }
    // SAFETY: `library` is open and stays so.
    let symbol = |name: &CStr| unsafe { libc::dlsym(library, name.as_ptr()) };
    let memory = Box::new(MEMORY_FUNCTIONS.map(symbol));
    let entry = symbol(c"voGetAACEncAPI");
    if entry.is_null() || memory.iter().any(|function| function.is_null()) {
        return Err(OpenError::Missing(missing()));
    }
    let mut calls = Calls { init: None, set_input: None, get_output: None, set_param: None, get_param: None, uninit: None };
    // SAFETY: voAAC.h declares the symbol with this type; it fills in the table of functions.
    let code = unsafe {
        let entry: unsafe extern "C" fn(*mut Calls) -> c_long = std::mem::transmute(entry);
        entry(&raw mut calls)
    };
    check("voGetAACEncAPI", code as c_ulong)?;
    Ok((calls, memory))
}

fn check(call: &'static str, code: c_ulong) -> Result<(), Error> {
    if code == 0 { Ok(()) } else { Err(Error { call, code }) }
}

fn required<F>(call: &'static str, function: Option<F>) -> Result<F, Error> {
    function.ok_or(Error { call, code: 0 })
}
