//! Residence and secrecy: keys, seals, what travellers can ask under the law, and the audit that
//! shows where every row is.

pub mod audit;
pub mod desk;
pub mod evidence;
pub mod keys;
pub mod ledger;
pub mod records;
pub mod rights;
pub mod rotation;
pub mod seal;
