pub mod gateway;
pub mod listen;
