//! Collecting what is wrong, with the place of each fault.

use relynt_domain::Fault;

use crate::limits::MAX_FAULTS;

/// A place in the body; becomes a JSON Pointer (RFC 6901) only if a fault is there.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root(&'static str),
    Key(&'a str),
    Index(usize),
}

/// What is wrong, up to [`MAX_FAULTS`].
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl<'a> At<'a> {
    pub(crate) const fn root(pointer: &'static str) -> Self {
        Self {
            parent: None,
            step: Step::Root(pointer),
        }
    }

    pub(crate) const fn key(&'a self, key: &'a str) -> Self {
        Self {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    pub(crate) const fn index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            step: Step::Index(index),
        }
    }

    fn write(&self, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(out);
            out.push('/');
        }
        match self.step {
            Step::Root(pointer) => out.push_str(pointer),
            Step::Key(key) => out.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => out.push_str(&index.to_string()),
        }
    }
}

impl Faults {
    pub(crate) fn add(&mut self, at: At<'_>, detail: impl Into<String>) {
        if !self.is_full() {
            let mut pointer = String::new();
            at.write(&mut pointer);
            self.0.push(Fault::new(pointer, detail));
        }
    }

    /// Whether no further fault would be noted, so that nothing needs to look for one.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MAX_FAULTS
    }

    /// Ends the collection: the faults, if there are any.
    pub(crate) fn none(&mut self) -> Result<(), Vec<Fault>> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(std::mem::take(&mut self.0))
        }
    }
}
