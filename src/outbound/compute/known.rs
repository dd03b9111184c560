//! What a compose project is run from, as far as one job has read or written it: only whoever holds the environment
//! writes there, so that it need not be read again.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::domain::ports::Part;

/// Both files of a compose project.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    infrastructure: Option<Value>,
    application: Option<Value>,
}

impl Files {
    /// As they were read.
    pub(super) fn new(infrastructure: Option<Value>, application: Option<Value>) -> Self {
        Self { infrastructure, application }
    }

    pub(super) fn get(&self, part: Part) -> Option<&Value> {
        match part {
            Part::Infrastructure => self.infrastructure.as_ref(),
            Part::Application => self.application.as_ref(),
        }
    }

    pub(super) fn set(&mut self, part: Part, file: Option<Value>) {
        match part {
            Part::Infrastructure => self.infrastructure = file,
            Part::Application => self.application = file,
        }
    }
}

/// What one job knows of them.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Option<Files>>);

impl Known {
    pub(super) fn get(&self) -> Option<Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, files: Option<Files>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = files;
    }
}
