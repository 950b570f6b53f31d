//! What every store must satisfy, as plain functions: run for each store from its own tests with
//! [`for_each_contract!`](crate::for_each_contract).

pub mod administration;
pub mod approvals;
pub mod calls;
pub mod changes;
pub mod ledger;

/// Hands the list of contracts to a macro: `module::function: methods that it is about;` each.
#[macro_export]
macro_rules! for_each_contract {
    ($callback:ident) => {
        $callback! {
            calls::key_is_used_once: record_decision;
            calls::one_of_many_equal_calls_wins: record_decision, find_call;
            calls::a_stale_decision_stores_nothing: record_decision, find_call;
            calls::a_refused_decision_leaves_its_key_free: record_decision, find_call;
            calls::a_decision_in_the_transaction_meets_the_open_approval: record_decision;
            calls::a_known_key_is_not_decided_again: record_decision;
            calls::an_unknown_organization_records_nothing: record_decision;
            calls::a_call_is_found_by_its_own_agent_only: find_call;
            calls::an_outcome_answers_its_call: record_outcome, find_call, find_execution;
            calls::the_first_outcome_wins: record_outcome, find_execution, find_receipt;
            calls::an_outcome_of_another_receipt_is_refused: record_outcome, find_execution;
            calls::a_later_receipt_is_added_once: record_receipt, find_receipt;
            calls::what_was_left_behind_is_listed_oldest_first: list_left_behind;
            calls::an_execution_belongs_to_its_organization: find_execution;
            approvals::an_approval_reads_back: find_approval;
            approvals::a_request_reads_back: find_request;
            approvals::a_tool_response_reads_back: find_tool_response;
            approvals::approvals_are_listed_in_pages: list_approvals;
            approvals::approvals_are_listed_by_status_and_agent: list_approvals;
            approvals::the_first_resolution_wins: record_resolution, find_approval;
            approvals::of_many_votes_at_once_one_decides: record_resolution;
            approvals::a_vote_on_another_revision_is_none: record_resolution;
            approvals::a_vote_comes_before_the_expiry: record_resolution;
            approvals::an_expiry_comes_no_earlier_than_told: record_resolution;
            approvals::a_resolution_under_old_rules_is_stale: record_resolution;
            approvals::an_unknown_approval_is_not_found: record_resolution, find_approval;
            approvals::an_approved_request_is_executed_and_final_with_its_outcome:
                record_resolution, record_outcome, find_tool_response;
            approvals::what_is_due_is_listed_across_organizations: list_expired;
            ledger::receipts_are_listed_newest_first_in_pages: list_receipts;
            ledger::receipts_are_filtered_by_every_field: list_receipts;
            ledger::a_search_ignores_case: list_receipts;
            ledger::receipts_of_others_are_not_listed: list_receipts, find_receipt;
            ledger::a_receipt_reads_back_byte_for_byte: find_receipt;
            ledger::signing_keys_read_back_oldest_first: record_signing_key, list_signing_keys;
            ledger::a_signing_key_is_added_once: record_signing_key;
            administration::organizations_are_listed: list_organizations, record_organization;
            administration::an_owner_is_found_by_their_address: record_organization;
            administration::an_organization_is_created_once: record_organization;
            administration::only_what_changed_is_loaded: load_changes;
            administration::an_unknown_organization_has_no_changes: load_changes;
            administration::policies_are_listed_newest_first: list_policies, find_policy;
            administration::what_was_used_is_noted: record_touched, load_changes;
            changes::a_change_needs_the_number_that_was_seen: record_change;
            changes::of_many_changes_at_once_one_is_made: record_change;
            changes::an_agent_changes_its_texts_not_its_status: record_change;
            changes::disabling_an_agent_cancels_what_it_asked_for: record_change;
            changes::a_change_whose_receipts_cannot_be_made_is_not_made: record_change;
            changes::a_rotation_revokes_and_never_brings_back: record_change;
            changes::a_connector_keeps_its_headers_until_it_is_deleted: record_change;
            changes::tokens_come_and_go: record_change;
            changes::versions_are_numbered_without_gaps: record_change;
            changes::a_decision_under_an_old_number_is_stale: record_change, record_decision;
            changes::an_impossible_change_is_an_error: record_change;
            administration::a_store_says_that_it_can_be_written: check_writable;
            administration::a_store_counts_what_it_commits: gauges;
        }
    };
}

macro_rules! list {
    ($($module:ident::$name:ident: $($method:ident),+;)*) => {
        /// Every contract with the store's methods that it is about.
        pub const CONTRACTS: &[(&str, &[&str])] =
            &[$((stringify!($name), &[$(stringify!($method)),+])),*];
    };
}
for_each_contract!(list);
