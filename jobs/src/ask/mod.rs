//! Questions to repositories that change nothing: one repository, or those of all jobs.

pub mod du;
pub mod find;
pub mod history;
pub mod verify;

use std::ops::ControlFlow;

use engine_api::{ErrorKind, Progress, SnapshotFilter};

use crate::catalog;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::name::JobName;
use crate::open::Repository;
use crate::site::{Access, Which};

/// A repository that is asked.
#[derive(Debug, Clone)]
pub struct Source {
    /// The job's name, or the folder.
    pub name: String,
    /// How it is opened.
    access: Access,
}

/// A repository that gave no answer, or not a whole one.
#[derive(Debug)]
pub struct Unanswered {
    /// The job's name, or the folder.
    pub name: String,
    /// Why.
    pub error: engine_api::Error,
}

/// The repositories that are asked.
#[derive(Debug)]
pub struct Sources {
    sources: Vec<Source>,
    unanswered: Vec<Unanswered>,
}

/// What is asked of each: its name, what is open of it, and the snapshots that are usually meant.
pub type Question<'q> = dyn FnMut(&Source, &Repository, &SnapshotFilter) -> engine_api::Result<ControlFlow<()>> + 'q;

impl Sources {
    /// Just this one.
    #[must_use]
    pub fn one(access: Access) -> Self {
        let name = match &access.which {
            Which::Job(name) => name.to_string(),
            Which::Folder(folder) => crate::text::path(folder),
        };
        Self {
            sources: vec![Source { name, access }],
            unanswered: Vec::new(),
        }
    }

    /// Those of all jobs, enabled or not, each opened as `like` says.
    ///
    /// # Errors
    /// When the database cannot be read, or has no job.
    pub fn all(context: &Context, like: &Access) -> Result<Self> {
        let listed = catalog::list(context)?;
        if listed.is_empty() {
            return Err(Error::NoBackups);
        }
        let mut all = Self {
            sources: Vec::new(),
            unanswered: Vec::new(),
        };
        for job in listed {
            match JobName::new(&job.key) {
                Ok(name) => all.sources.push(Source {
                    name: job.key,
                    access: Access {
                        which: Which::Job(name),
                        ..like.clone()
                    },
                }),
                Err(error) => all.unanswered.push(Unanswered {
                    name: job.key,
                    error: error.into(),
                }),
            }
        }
        Ok(all)
    }

    /// Where is looked, for messages.
    #[must_use]
    pub fn names(&self) -> String {
        let names: Vec<_> = self.sources.iter().map(|source| source.name.as_str()).collect();
        names.join(", ")
    }

    /// Puts a question to each. One that cannot be opened or does not answer is kept, and the others are asked; a job that
    /// never ran has nothing to say, which is no failure.
    ///
    /// # Errors
    /// Only what stops all of it: the wish to stop, and when there is one source, whatever it says.
    pub fn ask(
        self,
        context: &Context,
        progress: &dyn Progress,
        question: &mut Question<'_>,
    ) -> engine_api::Result<Vec<Unanswered>> {
        let alone = self.sources.len() == 1 && self.unanswered.is_empty();
        let mut unanswered = self.unanswered;
        for source in self.sources {
            let answer = Repository::open(context, &source.access)
                .and_then(|repository| question(&source, &repository, &repository.site.filter));
            match answer {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(error) if alone || error.kind() == ErrorKind::Interrupted => return Err(error),
                Err(error) if never_ran(&error) => {}
                Err(error) => unanswered.push(Unanswered {
                    name: source.name,
                    error,
                }),
            }
            if progress.cancelled() {
                break;
            }
        }
        Ok(unanswered)
    }
}

fn never_ran(error: &engine_api::Error) -> bool {
    matches!(error.downcast_ref::<Error>(), Some(Error::NoRepository { .. }))
}
