//! Which microphones there are, and which one is meant.

use crate::source::sysfs::serial_and_bus;
use alsa::{Ctl, Direction, card, ctl};
use std::path::Path;

/// A device of a sound card that records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Microphone {
    /// Name for ALSA, which stays the same as long as the card keeps its identifier: `hw:CARD=C920,DEV=0`.
    pub pcm: String,
    /// The card's name: `HD Pro Webcam C920`.
    pub card: String,
    /// The device's name: `USB Audio`.
    pub device: String,
    /// USB serial number of the card.
    pub serial: Option<String>,
    /// Place on the bus: `usb-0000:00:14.0-1.2`.
    pub bus: String,
}

/// Which microphone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) enum Selector {
    /// A device by its name for ALSA: `default`, `hw:1`, `plughw:CARD=C920`.
    Pcm(String),
    /// Name of a card (or a part of it), serial number or place on the bus.
    Text(String),
}

impl Selector {
    pub fn parse(text: &str) -> Selector {
        match text.trim() {
            "" => Selector::Pcm("default".into()),
            text if text == "default" || is_pcm(text) => Selector::Pcm(text.to_owned()),
            text => Selector::Text(text.to_owned()),
        }
    }

    /// Name for ALSA of the device that is meant; `None` if there is none now.
    pub fn find(&self) -> Option<String> {
        match self {
            Selector::Pcm(name) => Some(name.clone()),
            Selector::Text(text) => choose(microphones(), text).map(|m| m.pcm),
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Selector::Pcm(name) if name == "default" => f.write_str("microphone"),
            Selector::Pcm(name) => f.write_str(name),
            Selector::Text(text) => write!(f, "microphone {text}"),
        }
    }
}

/// `hw:1`, `plughw:CARD=C920,DEV=0`, `dsnoop:…`; a place on the bus has a colon too, but a longer first word or none of these.
fn is_pcm(text: &str) -> bool {
    let kinds = ["hw", "plughw", "plug", "dsnoop", "sysdefault", "front", "pulse", "pipewire", "jack", "null", "file"];
    let kind = text.split_once(':').map_or(text, |(kind, _)| kind);
    kinds.contains(&kind)
}

/// An exact serial number, place or name counts more than a part of a name.
fn choose(all: Vec<Microphone>, text: &str) -> Option<Microphone> {
    let lower = text.to_lowercase();
    let exact = |m: &&Microphone| m.serial.as_deref() == Some(text) || m.bus == text || m.card == text;
    let part = |m: &&Microphone| m.card.to_lowercase().contains(&lower) || m.pcm.to_lowercase().contains(&format!("card={lower},"));
    all.iter().find(exact).or_else(|| all.iter().find(part)).cloned()
}

/// All microphones, by the number of their cards.
pub fn microphones() -> Vec<Microphone> {
    card::Iter::new().flatten().filter_map(|card| of_card(&card)).flatten().collect()
}

/// `None`: the card went away meanwhile, or may not be opened.
fn of_card(card: &alsa::Card) -> Option<Vec<Microphone>> {
    let control = Ctl::from_card(card, true).ok()?;
    let info = control.card_info().ok()?;
    let (id, name) = (info.get_id().ok()?, info.get_name().ok()?);
    let sysfs = std::fs::canonicalize(Path::new("/sys/class/sound").join(format!("card{}", card.get_index())).join("device")).ok();
    let (serial, bus) = sysfs.as_deref().map_or((None, String::new()), serial_and_bus);
    let devices = ctl::DeviceIter::new(&control).filter_map(|number| {
        let device = control.pcm_info(u32::try_from(number).ok()?, 0, Direction::Capture).ok()?;
        Some(Microphone {
            pcm: format!("hw:CARD={id},DEV={number}"),
            card: name.to_owned(),
            device: device.get_name().unwrap_or_default().to_owned(),
            serial: serial.clone(),
            bus: bus.clone(),
        })
    });
    Some(devices.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn microphone(pcm: &str, card: &str, serial: Option<&str>, bus: &str) -> Microphone {
        let serial = serial.map(str::to_owned);
        Microphone { pcm: pcm.into(), card: card.into(), device: "USB Audio".into(), serial, bus: bus.into() }
    }

    #[test]
    fn selectors() {
        for pcm in ["default", "hw:1", "plughw:CARD=C920,DEV=0", "pulse", "null"] {
            assert_eq!(Selector::parse(pcm), Selector::Pcm(pcm.into()));
        }
        assert_eq!(Selector::parse(""), Selector::Pcm("default".into()));
        for text in ["C920", "usb-0000:00:14.0-1.2", "A1B2", "HD Pro"] {
            assert_eq!(Selector::parse(text), Selector::Text(text.into()));
        }
        assert_eq!(Selector::parse("C920").to_string(), "microphone C920");
    }

    #[test]
    fn the_right_one_is_found() {
        let all = vec![
            microphone("hw:CARD=PCH,DEV=0", "HDA Intel PCH", None, "pci:0000:00:1f.3"),
            microphone("hw:CARD=C920,DEV=0", "HD Pro Webcam C920", Some("A1"), "usb-0000:00:14.0-1"),
            microphone("hw:CARD=C920_1,DEV=0", "HD Pro Webcam C920", Some("B2"), "usb-0000:00:14.0-2"),
        ];
        let of = |text: &str| choose(all.clone(), text).map(|m| m.pcm);
        assert_eq!(of("intel").as_deref(), Some("hw:CARD=PCH,DEV=0"));
        assert_eq!(of("B2").as_deref(), Some("hw:CARD=C920_1,DEV=0"));
        assert_eq!(of("usb-0000:00:14.0-2").as_deref(), Some("hw:CARD=C920_1,DEV=0"));
        assert_eq!(of("c920_1").as_deref(), Some("hw:CARD=C920_1,DEV=0"));
        assert_eq!(of("HD Pro Webcam C920").as_deref(), Some("hw:CARD=C920,DEV=0"));
        assert_eq!(of("nowhere"), None);
    }
}
