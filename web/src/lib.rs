#![doc = include_str!("../README.md")]

mod app;
mod error;
mod guard;
mod links;
mod listing;
mod live;
mod pages;
mod people;
mod query;
mod router;
mod runs;
mod server;
mod site;

pub use app::{App, MakeTables, Tables};
pub use error::WebError;
pub use people::{People, PeopleSettings};
pub use router::{Answer, Request, answer, post};
pub use runs::{Run, Runs};
pub use server::{Options, Server};
pub use site::write as write_site;
