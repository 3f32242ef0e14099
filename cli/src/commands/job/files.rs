//! What would be saved, and why a path is or is not.

use std::ops::ControlFlow;
use std::path::Path;

use jobs::catalog;
use jobs::lists::{Explainer, Explanation, Preview, Rule, Rules, Source, Verdict, preview};
use jobs::{JobName, Status, text};
use serde::Serialize;

use crate::args::{JobFilesArgs, absolute};
use crate::commands::{App, Outcome};
use crate::json::{JsonPath, Nothing};

#[derive(Serialize)]
struct SelectedLine {
    r#type: &'static str,
    #[serde(flatten)]
    path: JsonPath,
    kind: engine_api::EntryKind,
    size: u64,
}

#[derive(Serialize)]
struct ExplanationLine {
    r#type: &'static str,
    #[serde(flatten)]
    path: JsonPath,
    exists: bool,
    saved: bool,
    reason: &'static str,
    pattern: Option<String>,
    list: Option<String>,
    line: Option<usize>,
}

#[derive(Default, Serialize)]
struct Sums {
    files: u64,
    dirs: u64,
    others: u64,
    bytes: u64,
    problems: u64,
}

pub fn run(app: &App, args: &JobFilesArgs) -> Outcome {
    let name = JobName::new(&args.name)?;
    let rules = catalog::rules(&app.context, &name)?;
    if args.paths.is_empty() {
        return all(app, &rules, args.null);
    }
    let explainer = Explainer::new(rules)?;
    for path in &args.paths {
        let explanation = explainer.explain(&absolute(path));
        let _ = if app.output.is_json() {
            app.output.item(&line(&explanation))
        } else {
            app.output.answer(sentence(&explanation).as_bytes())
        };
    }
    app.done("job files", Status::Success, Nothing {})
}

fn all(app: &App, rules: &Rules, null: bool) -> Outcome {
    let mut sums = Sums::default();
    preview(rules, &mut |step| {
        if app.interrupt.is_set() {
            return ControlFlow::Break(());
        }
        match step {
            Preview::Entry { path, stat } => {
                match stat.kind {
                    engine_api::EntryKind::File => {
                        sums.files += 1;
                        sums.bytes += stat.size;
                    }
                    engine_api::EntryKind::Dir => sums.dirs += 1,
                    _ => sums.others += 1,
                }
                entry(app, path, stat.kind, stat.size, null)
            }
            Preview::Notice(notice) => {
                app.output.warn(notice);
                ControlFlow::Continue(())
            }
            Preview::Problem(problem) => {
                sums.problems += 1;
                app.output.complain(&text::problem(problem));
                ControlFlow::Continue(())
            }
        }
    })?;
    // To a pipe, every line is a path.
    if app.output.terminal && !null {
        app.output.line(&format!(
            "{}, {}, {} others, {}",
            text::count(sums.files, "file"),
            text::count(sums.dirs, "folder"),
            sums.others,
            text::size(sums.bytes)
        ));
    }
    let status = if sums.problems > 0 {
        Status::Incomplete
    } else {
        Status::Success
    };
    app.done("job files", status, sums)
}

fn entry(app: &App, path: &Path, kind: engine_api::EntryKind, size: u64, null: bool) -> ControlFlow<()> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if app.output.is_json() {
        return app.output.item(&SelectedLine {
            r#type: "selected",
            path: path.into(),
            kind,
            size,
        });
    }
    if null {
        return app.output.raw(&[bytes, b"\0"].concat());
    }
    app.output.name("", bytes)
}

fn sentence(explanation: &Explanation) -> String {
    let path = text::path(&explanation.path);
    let answer = match &explanation.verdict {
        Verdict::Saved { by: Some(rule) } => format!("saved: {}", rule_text(rule)),
        Verdict::Saved { by: None } => "saved".to_owned(),
        Verdict::Way { to } => format!("saved, with nothing in it but what leads to {}", text::path(to)),
        Verdict::LeftOut { by, at } if *at == explanation.real => format!("left out: {}", rule_text(by)),
        Verdict::LeftOut { by, at } => format!("left out with {}: {}", text::path(at), rule_text(by)),
        Verdict::Cache { folder } => format!("left out: {} is marked as a cache", text::path(folder)),
        Verdict::NotIncluded => "not saved: no include covers it".to_owned(),
    };
    let real = if explanation.real == explanation.path {
        String::new()
    } else {
        format!(" (really {})", text::path(&explanation.real))
    };
    let missing = if explanation.exists { "" } else { " (does not exist)" };
    format!("{path}{real}{missing}: {answer}")
}

fn rule_text(rule: &Rule) -> String {
    let source = text::clean(&rule.source.to_string());
    match rule.source {
        Source::Line { .. } => format!("`{}`, {source}", text::bytes(&rule.pattern)),
        _ => source,
    }
}

fn line(explanation: &Explanation) -> ExplanationLine {
    let (reason, rule) = match &explanation.verdict {
        Verdict::Saved { by } => ("included", by.as_ref()),
        Verdict::Way { .. } => ("way", None),
        Verdict::LeftOut { by, .. } => ("excluded", Some(by)),
        Verdict::Cache { .. } => ("cache", None),
        Verdict::NotIncluded => ("not_included", None),
    };
    let (list, line) = match rule.map(|rule| &rule.source) {
        Some(Source::Line { list, line }) => (Some(list.to_string_lossy().into_owned()), Some(*line)),
        _ => (None, None),
    };
    ExplanationLine {
        r#type: "explanation",
        path: explanation.path.as_path().into(),
        exists: explanation.exists,
        saved: explanation.verdict.is_saved(),
        reason,
        pattern: rule.map(|rule| String::from_utf8_lossy(&rule.pattern).into_owned()),
        list,
        line,
    }
}
