//! Signed evidence that anybody can check offline.
