//! Receipts and signing keys.

use async_trait::async_trait;
use relynt_domain::{OrganizationId, ReceiptId, Timestamp};
use relynt_gateway::ports::{
    Ledger, Page, ReceiptFilter, ReceiptPage, StoreError, StoredReceipt, StoredSigningKey,
};
use relynt_ledger::SigningKey;
use rusqlite::params;
use zeroize::Zeroizing;

use super::SqliteStore;
use super::walk::Walk;
use crate::keys::signing_seed;
use crate::rows::{self, all, execute, first};
use crate::sql;

#[async_trait]
impl Ledger for SqliteStore {
    async fn list_receipts(
        &self,
        organization: OrganizationId,
        filter: ReceiptFilter,
        page: Page,
    ) -> Result<ReceiptPage, StoreError> {
        let walk = Walk::new(organization, filter, page);
        let readers = if walk.is_long() {
            &self.walks
        } else {
            &self.points
        };
        readers.read(move |reader| walk.run(reader)).await
    }

    async fn find_receipt(
        &self,
        organization: OrganizationId,
        id: ReceiptId,
    ) -> Result<Option<StoredReceipt>, StoreError> {
        self.points
            .read(move |reader| {
                first(
                    reader.connection(),
                    sql::FIND_RECEIPT,
                    params![organization.as_bytes(), id.as_bytes()],
                    rows::stored_receipt,
                )
            })
            .await
    }

    async fn list_signing_keys(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        let stored = self
            .points
            .read(|reader| {
                all(reader.connection(), sql::LIST_SIGNING_KEYS, [], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, Vec<u8>>(1)?,
                        rows::time(row, 2)?,
                        rows::maybe_time(row, 3)?,
                    ))
                })
            })
            .await?;
        let unseal = |(id, sealed, not_before, not_after): (String, Vec<u8>, _, _)| {
            let plain = self.keys.master().unseal(&signing_seed(&id), &sealed)?;
            let seed: [u8; 32] = plain
                .as_slice()
                .try_into()
                .map_err(|_| StoreError::Corrupt("a signing key is not 32 bytes".to_owned()))?;
            Ok(StoredSigningKey {
                seed: Zeroizing::new(seed),
                not_before,
                not_after,
            })
        };
        stored.into_iter().map(unseal).collect()
    }

    async fn record_signing_key(&self, key: StoredSigningKey) -> Result<(), StoreError> {
        let signer =
            SigningKey::from_seed(&key.seed).map_err(|e| StoreError::Database(e.to_string()))?;
        let id = signer.id().as_str().to_owned();
        let sealed =
            self.keys
                .master()
                .seal(&*self.entropy, &signing_seed(&id), key.seed.as_slice())?;
        let (from, until) = (
            key.not_before.unix_micros(),
            key.not_after.map(Timestamp::unix_micros),
        );
        self.writer
            .submit(move |tx| {
                execute(
                    tx,
                    sql::INSERT_SIGNING_KEY,
                    params![id, sealed, from, until],
                )?;
                Ok(())
            })
            .await
    }
}

/// Where a list begins: below the item that the page goes on after, or below everything.
pub(super) fn start_of(page: &Page) -> (i64, [u8; 16]) {
    page.after
        .map_or((i64::MAX, [0xff; 16]), |(at, id)| (at.unix_micros(), id))
}
