//! Disks: listed, and formatted for backups.

use std::path::{Path, PathBuf};

use jobs::disks::{self, Disk};
use jobs::{Error, Status, text};
use serde::Serialize;

use super::{App, Outcome};
use crate::args::DiskCommand;
use crate::prompt;

#[derive(Serialize)]
struct DiskLine<'a> {
    r#type: &'static str,
    device: String,
    whole: bool,
    label: Option<&'a str>,
    filesystem: Option<&'a str>,
    size: u64,
    removable: bool,
    model: Option<&'a str>,
    mounted: Vec<String>,
    fitness: &'static str,
}

#[derive(Serialize)]
struct Count {
    disks: usize,
}

#[derive(Serialize)]
struct Formatted {
    device: String,
    label: String,
}

pub fn run(app: &App, command: DiskCommand) -> Outcome {
    match command {
        DiskCommand::List => list(app),
        DiskCommand::Format { device, label, confirm } => format(app, &device, &label, confirm),
    }
}

fn list(app: &App) -> Outcome {
    let found = disks::list()?;
    for disk in &found {
        if app.output.is_json() {
            let _ = app.output.item(&line(disk));
        } else {
            let _ = app.output.answer(told(disk).as_bytes());
        }
    }
    app.done("disk list", Status::Success, Count { disks: found.len() })
}

fn line(disk: &Disk) -> DiskLine<'_> {
    DiskLine {
        r#type: "disk",
        device: disk.device.display().to_string(),
        whole: disk.whole,
        label: disk.label.as_deref(),
        filesystem: disk.kind.as_deref(),
        size: disk.size,
        removable: disk.removable,
        model: disk.model.as_deref(),
        mounted: disk.mounted.iter().map(|point| point.display().to_string()).collect(),
        fitness: disks::fitness(disk.kind.as_deref()),
    }
}

fn told(disk: &Disk) -> String {
    let mut text = format!(
        "{:<16} {:>10}  {:<8} {:<16}",
        text::path(&disk.device),
        text::size(disk.size),
        text::clean(disk.kind.as_deref().unwrap_or("-")),
        text::clean(disk.label.as_deref().unwrap_or("-")),
    );
    if let Some(point) = disk.mounted.first() {
        text.push_str(&format!("  mounted on {}", text::path(point)));
    } else {
        text.push_str(&format!("  {}", disks::fitness(disk.kind.as_deref())));
    }
    if disk.removable {
        text.push_str(", removable");
    }
    if let Some(model) = disk.model.as_deref().filter(|model| !model.is_empty()) {
        text.push_str(&format!(", {}", text::clean(model)));
    }
    text
}

/// Asks for the device to be typed once more, and formats it.
fn format(app: &App, device: &Path, label: &str, confirm: Option<PathBuf>) -> Outcome {
    let plan = disks::plan(device, label)?;
    app.output.line("Everything on these is lost:");
    for lost in &plan.lost {
        app.output.line(&told(lost));
    }
    let typed = match confirm {
        Some(typed) => typed,
        None => PathBuf::from(prompt::line(&format!("Type {} to format it: ", text::path(device)))?),
    };
    if typed != device {
        return Err(Error::Usage(format!("{} was not confirmed, so nothing was done", device.display())).into());
    }
    let made = plan.run()?;
    app.output.lines(&[
        format!("Formatted {} with ext4, labelled {label}", text::path(&made)),
        format!("A backup goes there with: --set VFSType=usb --set USBLabel={label}"),
    ]);
    let device = made.display().to_string();
    let label = label.to_owned();
    app.done("disk format", Status::Success, Formatted { device, label })
}
