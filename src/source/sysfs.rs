//! The serial number of a device and where it is plugged in, from sysfs.

use std::fs;
use std::path::Path;

/// Serial number and place on the bus of what a node belongs to.
pub fn serial_and_bus(device: &Path) -> (Option<String>, String) {
    let base = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    // A USB interface stands below its device, and that below hubs, down to the root hub `usbN` of a controller.
    let usb = device.ancestors().find(|path| path.join("devpath").exists());
    let controller = device.ancestors().find(|path| path.join("busnum").exists() && base(path).starts_with("usb")).and_then(Path::parent);
    match (usb, controller) {
        (Some(usb), Some(controller)) => {
            let ports = read(&usb.join("devpath")).unwrap_or_default();
            (read(&usb.join("serial")), format!("usb-{}-{ports}", base(controller)))
        }
        _ => {
            let subsystem = fs::canonicalize(device.join("subsystem")).map(|p| base(&p)).unwrap_or_default();
            (None, format!("{subsystem}:{}", base(device)))
        }
    }
}

/// A file of one line; `None` if it is not there or empty.
pub fn read(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned()).filter(|text| !text.is_empty())
}
