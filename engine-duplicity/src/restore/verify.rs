//! Reading restored files again: the volumes are read a second time and every file is compared.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use engine_api::{EntryKind, Event};

use super::Context;
use crate::error::Result;
use crate::merge::{Content, Merge, State};
use crate::source::{Piece, SetPlan, Source};

/// Compares every wanted file at the target with the set; what differs is a problem.
pub(super) fn run(context: &Context<'_>, source: Source<'_>, plans: Vec<SetPlan>) -> Result<()> {
    std::thread::scope(|scope| {
        let mut merge = Merge::open(source, scope, plans, context.wanted);
        while let Some(merged) = merge.next()? {
            context.go_on()?;
            if merged.header.kind != EntryKind::File || !context.wanted.holds(&merged.path) {
                continue;
            }
            let path = merged.path.under(&context.base);
            if let State::Lost(why) = &merged.state {
                // What is lost was told when it was to be restored, if it was.
                if context.dry_run {
                    let cause = format!("what was saved is lost: {why}");
                    context.counters.failed(&path, "verify", &cause);
                }
                continue;
            }
            match context.target.open_existing(&path) {
                Ok(file) => compare(context, &path, file, merge.content(&merged)?)?,
                Err(error) => context.counters.failed(&path, "verify", &error),
            }
        }
        Ok(())
    })
}

fn compare(context: &Context<'_>, path: &Path, mut file: File, mut content: Content<'_, '_, '_>) -> Result<()> {
    match differs(&mut file, &mut content, |length| {
        context.progress.event(Event::Advanced(length));
    })? {
        None => context.counters.verified(),
        Some(difference) => context.counters.failed(path, "verify", &difference),
    }
    Ok(())
}

/// How a file differs from the content, if it does.
pub(crate) fn differs(
    file: &mut File,
    content: &mut Content<'_, '_, '_>,
    mut read: impl FnMut(u64),
) -> Result<Option<String>> {
    let mut at = 0_u64;
    let mut there = Vec::new();
    loop {
        match content.piece()? {
            Piece::Data(data) => {
                there.resize(data.len(), 0);
                if let Err(error) = file.read_exact(&mut there) {
                    return Ok(Some(match error.kind() {
                        std::io::ErrorKind::UnexpectedEof => "it is shorter than what was saved".to_owned(),
                        _ => error.to_string(),
                    }));
                }
                if there != data {
                    let same = there.iter().zip(&data).take_while(|(a, b)| a == b).count();
                    return Ok(Some(format!("its content differs from byte {}", at + same as u64)));
                }
                at += data.len() as u64;
                read(data.len() as u64);
            }
            Piece::Broken(why) => return Ok(Some(format!("what was saved is lost: {why}"))),
            Piece::End => break,
        }
    }
    let longer = file.read(&mut [0]).is_ok_and(|read| read > 0);
    Ok(longer.then(|| "it is longer than what was saved".to_owned()))
}
