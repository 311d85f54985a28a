//! A region's life while it runs: who takes nobody new, and whether what is there is what the files
//! say. Files change it for good; Terraform builds it; GeoDNS and Route 53 follow its health.

pub mod apply;
pub mod check;
pub mod drain;
pub mod moving;
pub mod plan;
