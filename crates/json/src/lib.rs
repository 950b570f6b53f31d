//! JSON as Relynt needs it: one strict reader, one canonical writer, exact decimals.
//!
//! What a policy read and what a target would read must be the same thing. So [`parse`] refuses
//! every text that two readers could understand differently (duplicate keys, lone surrogates,
//! numbers that a double cannot carry), and [`Value::write_canonical`] writes the one form that
//! RFC 8785 gives to a value. Hashes and signatures are made over that form.
//!
//! ```
//! let value = relynt_json::parse(br#"{"b": 1.50, "a": [true, null]}"#)?;
//! assert_eq!(value.to_canonical(), r#"{"a":[true,null],"b":1.5}"#);
//!
//! let refused = relynt_json::parse(br#"{"amount": 1, "amount": 2}"#).unwrap_err();
//! assert_eq!(refused.pointer, "/amount");
//! # Ok::<(), relynt_json::ParseError>(())
//! ```
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod decimal;
mod error;
mod number;
mod object;
mod read;
mod scan;
mod value;
mod write;

pub use decimal::{Decimal, DecimalError};
pub use error::{ParseError, ParseErrorKind};
pub use number::{Number, NumberError};
pub use object::{IntoIter, Iter, Object};
pub use read::{MAX_DEPTH, parse, parse_canonical};
pub use value::Value;
pub use write::write_canonical_str;
