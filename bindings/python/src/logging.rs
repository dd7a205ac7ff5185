//! What fmr logs goes to Python's `logging`, to loggers below `fmr`.

use std::fmt::{Debug, Write as _};

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

struct ToPython;

/// The message of an event, and its fields.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let name = if field.name() == "message" { String::new() } else { format!(" {}=", field.name()) };
        // Writing to a text does not fail.
        let _ = write!(self.0, "{name}{value:?}");
    }
}

impl<S: Subscriber> Layer<S> for ToPython {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let level = match *event.metadata().level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            _ => 10,
        };
        let logger = event.metadata().target().replace("::", ".");
        let logger = if logger.starts_with("fmr.") || logger == "fmr" { logger } else { format!("fmr.{logger}") };
        // A process that ends has no interpreter any more, and a logger that fails must not end a run.
        let _ = Python::try_attach(|py| {
            let logger = py.import("logging")?.call_method1("getLogger", (logger,))?;
            logger.call_method1("log", (level, "%s", text.0)).map(drop)
        });
    }
}

/// Installs it, unless the process logs elsewhere already.
pub(crate) fn install() {
    let most = tracing_subscriber::filter::LevelFilter::INFO;
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ToPython.with_filter(most)));
}
