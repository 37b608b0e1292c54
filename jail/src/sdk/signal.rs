//! Alarms and metrics: builders that a script fills, and that send what they hold at once.

use rex_ipc::bounded::{List, Text};
use rex_ipc::runtime::{Alarm, Dimension, Metric, MetricUnit};
use rhai::{Dynamic, FLOAT, NativeCallContext};

use crate::error::{Fallible, text_error};
use crate::registry::{Entry, NOTHING, Registrar};
use crate::session::Session;
use crate::value;

/// An alarm that is not published yet. Setters give a changed copy.
#[derive(Clone, Default)]
pub struct AlarmBuilder {
    alarm_type: Option<String>,
    details: Option<String>,
}

/// A metric that is not published yet. Setters give a changed copy.
#[derive(Clone, Default)]
pub struct MetricBuilder {
    name: Option<String>,
    value: Option<FLOAT>,
    unit: Option<MetricUnit>,
    dimensions: MetricDimensions,
}

/// Dimensions of a metric that are still being added to.
#[derive(Clone, Default)]
pub struct MetricDimensionsBuilder(MetricDimensions);

/// Dimensions of a metric, by key; the last value of a key stays.
#[derive(Clone, Default)]
pub struct MetricDimensions(Vec<(String, String)>);

/// Registers both builders.
pub fn register(registrar: &mut Registrar<'_>) {
    register_alarm(registrar);
    register_metric(registrar);
    register_dimensions(registrar);
    register_units(registrar);
}

fn register_alarm(registrar: &mut Registrar<'_>) {
    registrar.type_name::<AlarmBuilder>("AlarmBuilder");
    let entry = |name, signature, returns, doc| Entry {
        module: "AlarmBuilder",
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    let setter = "(AlarmBuilder, String)";
    registrar.function(entry("AlarmBuilder", "()", "AlarmBuilder", "A new alarm."), AlarmBuilder::default);
    registrar.function(
        entry("type", setter, "AlarmBuilder", "The same alarm with this type."),
        |builder: AlarmBuilder, text: &str| AlarmBuilder { alarm_type: Some(text.into()), ..builder },
    );
    registrar.function(
        entry("details", setter, "AlarmBuilder", "The same alarm with these details."),
        |builder: AlarmBuilder, text: &str| AlarmBuilder { details: Some(text.into()), ..builder },
    );
    registrar.function(entry("publish", "(AlarmBuilder)", "()", "Raises the alarm."), publish_alarm);
}

fn register_metric(registrar: &mut Registrar<'_>) {
    registrar.type_name::<MetricBuilder>("MetricBuilder");
    let entry = |name, signature, returns, doc| Entry {
        module: "MetricBuilder",
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    registrar
        .function(entry("MetricBuilder", "()", "MetricBuilder", "A new metric."), MetricBuilder::default);
    registrar.function(
        entry("name", "(MetricBuilder, String)", "MetricBuilder", "The same metric with this name."),
        |builder: MetricBuilder, text: &str| MetricBuilder { name: Some(text.into()), ..builder },
    );
    registrar.function(
        entry("value", "(MetricBuilder, f64)", "MetricBuilder", "The same metric with this value."),
        |builder: MetricBuilder, value: FLOAT| MetricBuilder { value: Some(value), ..builder },
    );
    registrar.function(
        entry("unit", "(MetricBuilder, MetricUnitType)", "MetricBuilder", "The same metric with this unit."),
        |builder: MetricBuilder, unit: MetricUnit| MetricBuilder { unit: Some(unit), ..builder },
    );
    registrar.function(
        entry(
            "dimensions",
            "(MetricBuilder, MetricDimensions)",
            "MetricBuilder",
            "The same metric with these dimensions.",
        ),
        |builder: MetricBuilder, dimensions: MetricDimensions| MetricBuilder { dimensions, ..builder },
    );
    registrar.function(entry("publish", "(MetricBuilder)", "()", "Publishes the metric."), publish_metric);
}

fn register_dimensions(registrar: &mut Registrar<'_>) {
    registrar.type_name::<MetricDimensionsBuilder>("MetricDimensionsBuilder");
    registrar.type_name::<MetricDimensions>("MetricDimensions");
    let entry = |name, signature, returns, doc| Entry {
        module: "MetricDimensionsBuilder",
        name,
        signature,
        returns,
        actions: NOTHING,
        doc,
    };
    registrar.function(
        entry("MetricDimensionsBuilder", "()", "MetricDimensionsBuilder", "No dimensions yet."),
        MetricDimensionsBuilder::default,
    );
    registrar.function(
        entry(
            "add",
            "(MetricDimensionsBuilder, key: String, value: String)",
            "MetricDimensionsBuilder",
            "The same dimensions and this one.",
        ),
        |builder: MetricDimensionsBuilder, key: &str, value: &str| builder.with(key, value),
    );
    registrar.function(
        entry("build", "(MetricDimensionsBuilder)", "MetricDimensions", "The dimensions, for a metric."),
        |builder: MetricDimensionsBuilder| builder.0,
    );
}

fn register_units(registrar: &mut Registrar<'_>) {
    registrar.type_name::<MetricUnit>("MetricUnitType");
    for (unit, doc) in [
        (MetricUnit::Undefined, "No unit."),
        (MetricUnit::Count, "A number of things."),
        (MetricUnit::Time, "Nanoseconds."),
        (MetricUnit::Megabytes, "Mebibytes."),
        (MetricUnit::Percent, "Per cent."),
    ] {
        let entry = Entry {
            module: "MetricUnitType",
            name: unit.name(),
            signature: "constant",
            returns: "MetricUnitType",
            actions: NOTHING,
            doc,
        };
        registrar.constant(entry, Dynamic::from(unit));
    }
}

impl MetricDimensionsBuilder {
    fn with(mut self, key: &str, value: &str) -> Self {
        self.0.0.retain(|(present, _)| present != key);
        self.0.0.push((key.into(), value.into()));
        self
    }
}

fn publish_alarm(context: NativeCallContext, builder: AlarmBuilder) -> Fallible<()> {
    let alarm = Alarm {
        alarm_type: Text::cut(&required(builder.alarm_type, "alarm_type")?),
        details: builder.details.as_deref().map(Text::cut),
    };
    Ok(Session::of(&context).ask(value::line(&context), alarm)?)
}

fn publish_metric(context: NativeCallContext, builder: MetricBuilder) -> Fallible<()> {
    let name = required(builder.name, "metric_name")?;
    let number = required(builder.value, "metric_value")?;
    let unit = required(builder.unit, "metric_unit")?;
    let dimensions = builder
        .dimensions
        .0
        .iter()
        .map(|(key, value)| Dimension { key: Text::cut(key), value: Text::cut(value) })
        .collect();
    let texts = builder.dimensions.0.iter().map(|(key, value)| key.len().saturating_add(value.len()));
    if texts.fold(0, usize::saturating_add) > MAX_DIMENSION_TEXT_BYTES {
        return Err(text_error("a metric has too many dimensions"));
    }
    let metric = Metric {
        name: Text::cut(&name),
        value_bits: number.to_bits(),
        unit,
        dimensions: List::new(dimensions).ok_or_else(|| text_error("a metric has too many dimensions"))?,
    };
    Ok(Session::of(&context).ask(value::line(&context), metric)?)
}

/// Most bytes of all keys and values of a metric, so that it fits a frame together with its name.
const MAX_DIMENSION_TEXT_BYTES: usize = 32 * 1024;

fn required<T>(field: Option<T>, name: &str) -> Fallible<T> {
    field.ok_or_else(|| text_error(format!("`{name}` must be initialized")))
}

#[cfg(test)]
mod tests {
    use rex_ipc::runtime::MetricUnit;

    use crate::testing::Bench;

    #[test]
    fn an_alarm_is_sent_when_it_is_published() {
        let bench = Bench::new();

        bench.output(r#"AlarmBuilder().type("DiskFull").details("on /srv").publish();"#);

        let world = bench.world.borrow();
        assert_eq!(world.alarms[0].alarm_type.as_str(), "DiskFull");
        assert_eq!(world.alarms[0].details.as_ref().unwrap().as_str(), "on /srv");
    }

    #[test]
    fn alarm_setters_give_a_copy() {
        assert_eq!(
            Bench::new().failure(r#"let b = AlarmBuilder(); b.type("A"); b.publish();"#),
            "Runtime error: `alarm_type` must be initialized (line 1, position 40)"
        );
    }

    #[test]
    fn a_metric_carries_its_dimensions() {
        let bench = Bench::new();

        bench.output(
            r#"MetricBuilder().name("free").value(3.5).unit(MetricUnitType::PERCENT)
                .dimensions(MetricDimensionsBuilder().add("mount", "/a").add("mount", "/b").build()).publish();"#,
        );

        let world = bench.world.borrow();
        let metric = &world.metrics[0];
        assert_eq!((metric.name.as_str(), f64::from_bits(metric.value_bits)), ("free", 3.5));
        assert_eq!(metric.unit, MetricUnit::Percent);
        let dimensions: Vec<_> =
            metric.dimensions.as_slice().iter().map(|d| (d.key.as_str(), d.value.as_str())).collect();
        assert_eq!(dimensions, [("mount", "/b")]);
    }

    #[test]
    fn a_metric_that_fits_no_frame_is_refused() {
        let script = |count: usize, length: usize| {
            format!(
                r#"let d = MetricDimensionsBuilder();
                   for i in 0..{count} {{ let v = ""; v.pad({length}, "x"); d = d.add(`k${{i}}`, v); }}
                   MetricBuilder().name("n").value(1.0).unit(MetricUnitType::COUNT).dimensions(d.build()).publish();"#
            )
        };

        assert_eq!(Bench::new().output(&script(60, 500)), "");
        for (count, length) in [(65, 1), (40, 1000)] {
            assert!(
                Bench::new().failure(&script(count, length)).contains("a metric has too many dimensions")
            );
        }
    }

    #[test]
    fn a_metric_needs_name_value_and_unit_in_this_order() {
        let script = r#"
            let out = [];
            try { MetricBuilder().value(1.0).publish() } catch (e) { out.push(e) }
            try { MetricBuilder().name("x").publish() } catch (e) { out.push(e) }
            try { MetricBuilder().name("x").value(1.0).publish() } catch (e) { out.push(e) }
            try { MetricBuilder().name("x").value(1) } catch (e) { out.push(e.error) }
            out
        "#;

        assert_eq!(
            Bench::new().output(script),
            r#"["`metric_name` must be initialized", "`metric_value` must be initialized", "`metric_unit` must be initialized", "ErrorFunctionNotFound"]"#
        );
    }
}
