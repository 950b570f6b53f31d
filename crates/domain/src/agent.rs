//! Non-human callers.

use std::collections::BTreeSet;

use crate::decision::words;
use crate::{AgentId, Label, LabelError, Timestamp, UserId};

words! {
    /// Whether an agent may call.
    AgentStatus {
        /// It may.
        Active = "active",
        /// Its calls are 403.
        Disabled = "disabled",
    }
}

/// The name of an agent, unique in its organization: 1 to 128 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName(Label);

impl AgentName {
    /// Takes a name.
    ///
    /// # Errors
    /// As [`Label::new`].
    pub fn new(text: &str) -> Result<Self, LabelError> {
        Label::new(text, 128).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The tags of an agent, which rules may name: at most 32, each of 1 to 64 characters, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags(Vec<String>);

impl Tags {
    /// Takes tags; repeated ones count once.
    ///
    /// # Errors
    /// Too many, or one that is no visible line, or one that reads as an agent's id (rules could
    /// not tell them apart).
    pub fn new<'a>(tags: impl IntoIterator<Item = &'a str>) -> Result<Self, LabelError> {
        let mut set = BTreeSet::new();
        for tag in tags {
            let label = Label::new(tag, 64)?;
            if tag.to_ascii_lowercase().parse::<AgentId>().is_ok() {
                return Err(LabelError("a tag must not look like an id".to_owned()));
            }
            set.insert(label.as_str().to_owned());
        }
        if set.len() > 32 {
            return Err(LabelError("at most 32 tags".to_owned()));
        }
        Ok(Self(set.into_iter().collect()))
    }

    /// The tags, sorted.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// A registered agent. Never deleted: receipts speak about it.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its name, unique in the organization.
    pub name: AgentName,
    /// For people.
    pub description: Option<String>,
    /// What rules may name it by.
    pub tags: Tags,
    /// The person who answers for it.
    pub owner: UserId,
    /// Whether it may call.
    pub status: AgentStatus,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last called, at most 60 s behind.
    pub last_seen_at: Option<Timestamp>,
}
