//! A few connections that are used in turn.
//!
//! Kept by hand: a connection that was left in any doubt is dropped, which no pool of the shelf
//! does by itself, and nothing else is needed of one.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use relynt_gateway::ports::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::Failure;
use super::open::Connector;
use super::session::Session;

pub(super) struct Pool {
    connector: Connector,
    idle: Rc<RefCell<Vec<Session>>>,
    places: std::sync::Arc<Semaphore>,
    patience: Duration,
}

impl Pool {
    pub(super) fn new(connector: Connector, size: usize, patience: Duration) -> Self {
        Self {
            connector,
            idle: Rc::default(),
            places: std::sync::Arc::new(Semaphore::new(size)),
            patience,
        }
    }

    /// A connection that works as far as is known.
    pub(super) async fn take(&self) -> Result<Taken, Failure> {
        let waiting = std::sync::Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(self.patience, waiting)
            .await
            .map_err(|_| StoreError::Overloaded)?
            .map_err(|_| StoreError::Closed)?;
        let known = loop {
            let session = self.idle.borrow_mut().pop();
            match session {
                Some(session) if session.is_closed() => {}
                other => break other,
            }
        };
        let session = match known {
            Some(session) => session,
            None => self.connector.connect().await?,
        };
        Ok(Taken {
            session,
            idle: Rc::clone(&self.idle),
            _place: place,
        })
    }

    /// One that was not used before: whoever asks has just lost another.
    pub(super) async fn take_new(&self) -> Result<Taken, Failure> {
        // All of them may be as dead as the one that was lost.
        self.idle.borrow_mut().clear();
        self.take().await
    }
}

/// A connection in use. Closed when dropped, unless it is given back.
pub(super) struct Taken {
    session: Session,
    idle: Rc<RefCell<Vec<Session>>>,
    _place: OwnedSemaphorePermit,
}

impl Taken {
    /// No transaction is open on it: it may be used again.
    pub(super) fn give_back(self) {
        if !self.session.is_closed() {
            self.idle.borrow_mut().push(self.session);
        }
    }
}

impl Deref for Taken {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}
