//! Receipts and signing keys.

use async_trait::async_trait;
use relynt_domain::{OrganizationId, ReceiptId, Timestamp};
use relynt_gateway::ports::{
    Ledger, Page, ReceiptFilter, ReceiptPage, StoreError, StoredReceipt, StoredSigningKey,
};
use relynt_ledger::SigningKey;
use zeroize::Zeroizing;

use super::session::Ask;
use super::values::{Id, get, maybe_time, time};
use super::walk::Walk;
use super::{PostgresStore, rows, sql};
use crate::keys::signing_seed;

#[async_trait]
impl Ledger for PostgresStore {
    async fn list_receipts(
        &self,
        organization: OrganizationId,
        filter: ReceiptFilter,
        page: Page,
    ) -> Result<ReceiptPage, StoreError> {
        let walk = Walk::new(organization, filter, page);
        self.run(async move |core| walk.run(&core).await).await
    }

    async fn find_receipt(
        &self,
        organization: OrganizationId,
        receipt: ReceiptId,
    ) -> Result<Option<StoredReceipt>, StoreError> {
        self.run(async move |core| {
            let (of, receipt) = (
                Id::from(organization.as_bytes()),
                Id::from(receipt.as_bytes()),
            );
            let ask = Ask::new(sql::FIND_RECEIPT, vec![&of, &receipt]);
            let row = core.first(organization, ask).await?;
            row.as_ref().map(rows::stored_receipt).transpose()
        })
        .await
    }

    async fn list_signing_keys(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        let stored = self
            .run(async |core| {
                let rows = core
                    .read(&[], &[Ask::new(sql::LIST_SIGNING_KEYS, Vec::new())])
                    .await?;
                let read = |row| {
                    Ok((
                        get::<String>(row, 0)?,
                        get::<Vec<u8>>(row, 1)?,
                        time(row, 2)?,
                        maybe_time(row, 3)?,
                    ))
                };
                rows.iter()
                    .flatten()
                    .map(read)
                    .collect::<Result<Vec<_>, _>>()
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
        self.run(async move |core| {
            core.write(&[], async |tx| {
                tx.execute(sql::INSERT_SIGNING_KEY, &[&id, &sealed, &from, &until])
                    .await
            })
            .await?;
            Ok(())
        })
        .await
    }
}
