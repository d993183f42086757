//! Brightness, exposure, focus, mains frequency: listing and setting, also while the camera runs.

use super::device::{Call, Device, call, text, zeroed};
use crate::source::ControlError;
use std::io;
use v4l::v4l_sys as sys;

/// A driver that never stops listing is cut off here.
const MAX_CONTROLS: usize = 512;
const MAX_MENU: i64 = 256;

/// One control.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Control {
    /// Name for commands: `power_line_frequency`, as v4l2-ctl has it.
    pub id: String,
    /// The driver's name for it.
    pub name: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: ControlKind,
    /// As it is set now.
    pub value: i64,
    /// As the driver sets it at first.
    pub default: i64,
    /// The least value.
    pub minimum: i64,
    /// The largest value.
    pub maximum: i64,
    /// Values are so far apart.
    pub step: u64,
    /// It has no effect for now: another control, such as an automatic, has taken over.
    pub inactive: bool,
    /// It cannot be set.
    pub read_only: bool,
    /// Of a menu: value and text of each entry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub menu: Vec<(i64, String)>,
    #[serde(skip)]
    code: u32,
    /// It has 64 bits.
    #[serde(skip)]
    wide: bool,
}

/// What values a control takes (V4L2_CTRL_TYPE_*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlKind {
    /// A number.
    Integer,
    /// 0 or 1.
    Boolean,
    /// The number of an entry in [`Control::menu`].
    Menu,
    /// None: setting it does something once.
    Button,
    /// A set of bits.
    Bitmask,
}

impl Device {
    /// All controls of simple types; empty when the device has none.
    pub fn controls(&self) -> Vec<Control> {
        let mut found = Vec::new();
        let mut query: sys::v4l2_query_ext_ctrl = zeroed();
        for _ in 0..MAX_CONTROLS {
            query.id |= sys::V4L2_CTRL_FLAG_NEXT_CTRL;
            if self.ioctl(call!(VIDIOC_QUERY_EXT_CTRL), &mut query).is_err() {
                break;
            }
            found.extend(self.describe(&query));
        }
        found
    }

    fn describe(&self, query: &sys::v4l2_query_ext_ctrl) -> Option<Control> {
        let kind = match query.type_ {
            sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER | sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER64 => ControlKind::Integer,
            sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN => ControlKind::Boolean,
            sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU | sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU => ControlKind::Menu,
            sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BUTTON => ControlKind::Button,
            sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BITMASK => ControlKind::Bitmask,
            _ => return None,
        };
        if query.flags & sys::V4L2_CTRL_FLAG_DISABLED != 0 || query.nr_of_dims > 0 {
            return None;
        }
        let wide = query.type_ == sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER64;
        let readable = kind != ControlKind::Button && query.flags & sys::V4L2_CTRL_FLAG_WRITE_ONLY == 0;
        let value = if readable { self.get(query.id, wide).ok()? } else { 0 };
        let name = text(&query.name.map(|c| c as u8));
        Some(Control {
            id: id(&name),
            kind,
            value,
            default: query.default_value,
            minimum: query.minimum,
            maximum: query.maximum,
            step: query.step,
            inactive: query.flags & sys::V4L2_CTRL_FLAG_INACTIVE != 0,
            read_only: query.flags & sys::V4L2_CTRL_FLAG_READ_ONLY != 0,
            menu: if kind == ControlKind::Menu { self.menu(query) } else { Vec::new() },
            code: query.id,
            wide,
            name,
        })
    }

    /// Drivers leave entries out: those are passed over.
    fn menu(&self, query: &sys::v4l2_query_ext_ctrl) -> Vec<(i64, String)> {
        let numbers = query.type_ == sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU;
        let indices = query.minimum.max(0)..=query.maximum.min(query.minimum.saturating_add(MAX_MENU));
        let entries = indices.filter_map(|index| {
            let mut item = sys::v4l2_querymenu { id: query.id, index: index as u32, ..zeroed() };
            self.ioctl(call!(VIDIOC_QUERYMENU), &mut item).ok()?;
            // The structure is packed: its union is copied before it is read.
            let entry = item.__bindgen_anon_1;
            // SAFETY: the type of the control says which member the driver has filled in; both are plain numbers.
            Some((index, unsafe { if numbers { entry.value.to_string() } else { text(&entry.name) } }))
        });
        entries.collect()
    }

    fn get(&self, code: u32, wide: bool) -> io::Result<i64> {
        let mut control = sys::v4l2_ext_control { id: code, ..zeroed() };
        self.ext(call!(VIDIOC_G_EXT_CTRLS), &mut control)?;
        let value = control.__bindgen_anon_1;
        // SAFETY: the type of the control says which member is in use; both are plain numbers.
        Ok(unsafe { if wide { value.value64 } else { i64::from(value.value) } })
    }

    fn set(&self, code: u32, wide: bool, value: i64) -> io::Result<()> {
        let mut control = sys::v4l2_ext_control { id: code, ..zeroed() };
        if wide {
            control.__bindgen_anon_1.value64 = value;
        } else {
            // The whole range of a bitmask fits as well: its bits are taken as they are.
            control.__bindgen_anon_1.value = value as i32;
        }
        self.ext(call!(VIDIOC_S_EXT_CTRLS), &mut control)
    }

    fn ext(&self, call: Call, control: &mut sys::v4l2_ext_control) -> io::Result<()> {
        let mut list = sys::v4l2_ext_controls { count: 1, controls: control, ..zeroed() };
        self.ioctl(call, &mut list)
    }

    /// Sets the control `id` to a number, `true`/`false`, or the text of a menu entry.
    pub fn set_control(&self, id: &str, value: &str) -> Result<(), ControlError> {
        let controls = self.controls();
        let control = controls.iter().find(|c| c.id == id || c.name == id).ok_or_else(|| ControlError::Unknown(id.to_owned()))?;
        let number = control.number(value)?;
        self.set(control.code, control.wide, number).map_err(|why| ControlError::Io { id: id.to_owned(), why })
    }
}

impl Control {
    fn number(&self, value: &str) -> Result<i64, ControlError> {
        let entry = self.menu.iter().find(|(_, text)| text.eq_ignore_ascii_case(value)).map(|(number, _)| *number);
        let truth = match value {
            "true" | "on" => Some(1),
            "false" | "off" => Some(0),
            _ => None,
        };
        let number = entry.or_else(|| value.parse().ok()).or(truth.filter(|_| self.kind == ControlKind::Boolean));
        let listed = |n: &i64| self.kind != ControlKind::Menu || self.menu.iter().any(|(entry, _)| entry == n);
        let in_range = |n: &i64| self.kind == ControlKind::Button || (self.minimum..=self.maximum).contains(n);
        number.filter(|n| in_range(n) && listed(n)).ok_or_else(|| ControlError::Value {
            id: self.id.clone(),
            value: value.to_owned(),
            choices: self.choices(),
        })
    }

    /// What it may be set to, for people.
    pub fn choices(&self) -> String {
        if self.menu.is_empty() {
            return format!("{} to {}", self.minimum, self.maximum);
        }
        self.menu.iter().map(|(number, text)| format!("{number} ({text})")).collect::<Vec<_>>().join(", ")
    }
}

/// The driver's name in lower case, runs of other characters as one underscore: the same name that v4l2-ctl uses.
fn id(name: &str) -> String {
    let mut id = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            id.push(c.to_ascii_lowercase());
        } else if !id.ends_with('_') {
            id.push('_');
        }
    }
    id.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(kind: ControlKind, maximum: i64, menu: &[(i64, &str)]) -> Control {
        let menu = menu.iter().map(|(n, t)| (*n, (*t).to_owned())).collect();
        let (id, name) = ("x".to_owned(), "X".to_owned());
        Control {
            id,
            name,
            kind,
            value: 0,
            default: 0,
            minimum: 0,
            maximum,
            step: 1,
            inactive: false,
            read_only: false,
            menu,
            code: 0,
            wide: false,
        }
    }

    #[test]
    fn names() {
        assert_eq!(id("White Balance, Automatic"), "white_balance_automatic");
        assert_eq!(id("Exposure Time, Absolute (100us)"), "exposure_time_absolute_100us");
    }

    #[test]
    fn values() {
        let brightness = control(ControlKind::Integer, 255, &[]);
        assert_eq!(brightness.number("77").unwrap(), 77);
        assert_eq!(brightness.number("256").unwrap_err().to_string(), "x: \"256\" is not one of 0 to 255");
        assert!(brightness.number("on").is_err());
        assert_eq!(control(ControlKind::Boolean, 1, &[]).number("on").unwrap(), 1);
        let mains = control(ControlKind::Menu, 2, &[(0, "Disabled"), (2, "60 Hz")]);
        assert_eq!(mains.number("60 hz").unwrap(), 2);
        assert_eq!(mains.number("1").unwrap_err().to_string(), "x: \"1\" is not one of 0 (Disabled), 2 (60 Hz)");
    }
}
