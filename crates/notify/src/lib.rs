//! Messages to approvers
