//! The house rules as tests: who may import whom, what is nowhere, how long things may be, what SQL
//! may say, what the documents must name.
//!
//! Each rule reads the tree as text and lists every place that breaks it, with what to do there.
//! Each has a twin that holds it against a made-up offender, so that a rule which no longer sees
//! anything fails too. The rules hold for this folder as well.

mod absences;
mod documents;
mod imports;
mod migrations;
mod queries;
mod residency;
mod shape;
mod source;
mod statement;
mod tree;
