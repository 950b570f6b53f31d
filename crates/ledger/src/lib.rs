//! Receipt bytes, signatures and their verification
