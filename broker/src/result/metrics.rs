//! What was counted and measured: by the script, and by the broker about the run.

use std::collections::BTreeMap;
use std::time::Duration;

use rex_ipc::runtime::{Metric, MetricUnit};
use serde::Serialize;
use time::OffsetDateTime;

use super::moment::rfc_3339;

/// One entry of `metrics`.
#[derive(Serialize, Clone, Debug, PartialEq)]
pub struct MetricObject {
    /// Its name; no two entries share one.
    pub metric_name: String,
    /// Its value; `null` when it is not a finite number.
    pub metric_value: f64,
    /// `UNDEFINED`, `COUNT`, `TIME`, `MEGABYTES` or `PERCENT`.
    pub metric_unit: &'static str,
    /// What it is about.
    pub metric_dimension: BTreeMap<String, String>,
    /// When it was published.
    pub metric_timestamp: String,
}

/// What the broker measured of both processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Time from the order to run to the end; nothing when the script did not compile.
    pub evaluation: Option<Duration>,
    /// CPU time over wall time, in per cent; nothing when monitoring is off.
    pub cpu_percent: Option<f64>,
    /// Mean resident memory in MiB; nothing when monitoring is off or no sample was taken.
    pub resident_mib: Option<f64>,
    /// Mean address space in MiB; nothing when monitoring is off or no sample was taken.
    pub virtual_mib: Option<f64>,
}

/// The metrics by name, which is the order of the document.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    by_name: BTreeMap<String, Entry>,
    /// Bytes that the script's metrics take.
    pub(super) bytes: u64,
}

/// A metric without its name. There may be many, so it is small.
#[derive(Debug)]
struct Entry {
    value: f64,
    unit: MetricUnit,
    dimensions: BTreeMap<String, String>,
    at: OffsetDateTime,
}

impl Metrics {
    /// A metric of the script; it replaces one of the same name.
    pub(super) fn publish(&mut self, metric: Metric) {
        let name = metric.name.into_string();
        let dimensions = metric.dimensions.into_vec().into_iter();
        let dimensions: BTreeMap<String, String> = dimensions
            .map(|dimension| (dimension.key.into_string(), dimension.value.into_string()))
            .collect();
        let entry = Entry {
            value: f64::from_bits(metric.value_bits),
            unit: metric.unit,
            dimensions,
            at: OffsetDateTime::now_utc(),
        };
        let name_bytes = name.len() as u64;
        self.bytes = self.bytes.saturating_add(name_bytes).saturating_add(entry.bytes());
        if let Some(replaced) = self.by_name.insert(name, entry) {
            self.bytes = self.bytes.saturating_sub(name_bytes).saturating_sub(replaced.bytes());
        }
    }

    /// The metric of that name as it stands in the document.
    pub(super) fn named(&self, name: &str) -> Option<MetricObject> {
        let entry = self.by_name.get(name)?;
        let entry = Entry { dimensions: entry.dimensions.clone(), ..*entry };
        Some(entry.named(name.to_owned()))
    }

    /// Forgets what the script published.
    pub(super) fn forget_published(&mut self) {
        self.by_name.clear();
    }

    pub(super) fn count(&mut self, name: &str, kind: &str) {
        self.add(name, 1.0, MetricUnit::Count, kind);
    }

    pub(super) fn total_time(&mut self, total: Duration) {
        self.add("RexRunnerTotalExecutionTime", nanoseconds(total), MetricUnit::Time, "Duration");
    }

    pub(super) fn measured(&mut self, measured: &Measured) {
        const MONITORING: &str = "ProcessMonitoring";
        if let Some(evaluation) = measured.evaluation {
            self.add("RexRunnerScriptExecutionTime", nanoseconds(evaluation), MetricUnit::Time, "Duration");
        }
        for (name, value, unit) in [
            ("RexRunnerProcessCpuUsage", measured.cpu_percent, MetricUnit::Percent),
            ("RexRunnerProcessRssMemoryUsageAverage", measured.resident_mib, MetricUnit::Megabytes),
            ("RexRunnerProcessVirtualMemoryUsageAverage", measured.virtual_mib, MetricUnit::Megabytes),
        ] {
            if let Some(value) = value {
                self.add(name, value, unit, MONITORING);
            }
        }
    }

    pub(super) fn into_entries(self) -> Vec<MetricObject> {
        self.by_name.into_iter().map(|(name, entry)| entry.named(name)).collect()
    }

    fn add(&mut self, name: &str, value: f64, unit: MetricUnit, info: &str) {
        let dimensions = BTreeMap::from([("MetricInfo".to_owned(), info.to_owned())]);
        self.by_name
            .insert(name.to_owned(), Entry { value, unit, dimensions, at: OffsetDateTime::now_utc() });
    }
}

impl Entry {
    fn named(self, metric_name: String) -> MetricObject {
        MetricObject {
            metric_name,
            metric_value: self.value,
            metric_unit: self.unit.name(),
            metric_dimension: self.dimensions,
            metric_timestamp: rfc_3339(self.at),
        }
    }

    /// What it takes, with what the collections around it take.
    fn bytes(&self) -> u64 {
        let dimensions: usize =
            self.dimensions.iter().map(|(key, value)| key.len() + value.len() + DIMENSION_BYTES).sum();
        let node = if self.dimensions.is_empty() { 0 } else { NODE_BYTES };
        (dimensions + node + ENTRY_BYTES) as u64
    }
}

fn nanoseconds(duration: Duration) -> f64 {
    // Exact up to 104 days.
    duration.as_nanos() as f64
}

/// One entry in the map and then in the document, without its text.
const ENTRY_BYTES: usize = 192;
/// The smallest map of dimensions: a node has room for eleven.
const NODE_BYTES: usize = 544;
/// One dimension in a tree that is half full, with two short allocations, without its text.
const DIMENSION_BYTES: usize = 160;
