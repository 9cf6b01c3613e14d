//! Logs each event by `tracing`, in fields that a log query can filter by.
//!
//! The fields `from`, `to` and `reason` use the vocabulary of [`Transition::origin`],
//! [`Transition::target`] and [`Transition::cause`], as the metrics' labels and the console do.
//! Where an operator gave a reason, `reason` is in the operator's own words. A field that has no
//! value for a transition is absent.

use super::event::Event;
use crate::machine::{Transition, TripReason};

/// Logs an event: at WARN what may need an operator, or was done by one, at INFO the rest.
pub(super) fn log(event: &Event) {
    let transition = &event.transition;
    let trip_reason = transition.trip_reason();
    let (from_percent, to_percent) = match transition {
        Transition::ShareChanged { from, to, .. } => (Some(*from), Some(*to)),
        _ => (None, None),
    };
    let reason = match transition {
        Transition::ModeChanged { reason, .. } | Transition::Reset { reason } => &**reason,
        _ => transition.cause(),
    };
    // tracing's macros take the level as a constant, so that each level has its own.
    macro_rules! log_at {
        ($level:ident) => {
            tracing::$level!(
                breaker = &*event.breaker,
                from = transition.origin(),
                to = transition.target(),
                reason,
                measured = trip_reason.map(TripReason::measured),
                threshold = trip_reason.map(TripReason::threshold),
                from_percent,
                to_percent,
                "{transition}"
            )
        };
    }
    match transition {
        Transition::Opened { .. }
        | Transition::WouldHaveTripped { .. }
        | Transition::HeldBack { .. }
        | Transition::ModeChanged { .. }
        | Transition::Reset { .. } => log_at!(warn),
        Transition::HalfOpened { .. }
        | Transition::ShareChanged { .. }
        | Transition::Closed
        | Transition::Reconfigured
        | Transition::Evicted => log_at!(info),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        fmt,
        sync::{Arc, Mutex},
    };

    use tracing::{Level, Metadata, Subscriber, field, span};

    use super::*;
    use crate::{
        lock::lock,
        machine::{Mode, Timestamp},
    };

    /// Keeps the level and the fields of the last event.
    #[derive(Clone, Default)]
    struct LastLine(Arc<Mutex<Option<(Level, Fields)>>>);

    #[derive(Clone, Default)]
    struct Fields(BTreeMap<&'static str, String>);

    impl field::Visit for Fields {
        fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
            self.0.insert(field.name(), format!("{value:?}"));
        }

        fn record_str(&mut self, field: &field::Field, value: &str) {
            self.0.insert(field.name(), value.to_owned());
        }
    }

    impl Subscriber for LastLine {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &tracing::Event<'_>) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            *lock(&self.0) = Some((*event.metadata().level(), fields));
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    fn logged(transition: Transition) -> (Level, BTreeMap<&'static str, String>) {
        let line = LastLine::default();
        let event = Event {
            breaker: "payments".into(),
            generation: 0,
            sequence: 0,
            at: Timestamp::START,
            transition,
        };
        tracing::subscriber::with_default(line.clone(), || log(&event));
        let last = lock(&line.0).take();
        let (level, fields) = last.expect("each event is logged");
        (level, fields.0)
    }

    #[test]
    fn a_change_of_the_share_has_all_fields() {
        let (level, mut fields) = logged(Transition::ShareChanged {
            from: 40,
            to: 20,
            reason: Some(TripReason::NoVerdict {
                calls: 10,
                threshold: 10,
            }),
        });
        assert_eq!(level, Level::INFO);
        assert!(
            fields
                .remove("message")
                .is_some_and(|line| line.contains("40 % → 20 %"))
        );
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(
            fields,
            [
                ("breaker", "payments"),
                ("from", "half-open"),
                ("from_percent", "40"),
                ("measured", "10.0"),
                ("reason", "no verdict"),
                ("threshold", "10.0"),
                ("to", "half-open"),
                ("to_percent", "20"),
            ]
        );
    }

    #[test]
    fn an_operators_own_words_are_the_reason() {
        let (level, fields) = logged(Transition::ModeChanged {
            from: Mode::Automatic,
            to: Mode::ForcedOpen,
            reason: "database failover".into(),
            reverts_after: None,
        });
        assert_eq!(level, Level::WARN);
        assert_eq!(fields["reason"], "database failover");
        assert_eq!((&*fields["from"], &*fields["to"]), ("automatic", "forced open"));
    }

    #[test]
    fn a_field_with_no_value_is_absent() {
        let (level, fields) = logged(Transition::Evicted);
        assert_eq!(level, Level::INFO);
        let names: Vec<_> = fields.keys().copied().collect();
        assert_eq!(names, ["breaker", "message", "reason", "to"]);
    }
}
