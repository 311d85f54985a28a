//! Residence and secrecy: keys, seals, and the audit that shows where every row is.

pub mod audit;
pub mod keys;
pub mod seal;
