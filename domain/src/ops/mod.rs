//! Operations: one public function per use case, one transaction, one audit row.

pub mod quota;
pub mod request_log;
