use std::collections::BTreeMap;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess},
    ser::SerializeMap,
};

use super::{Configs, PartialConfig};
use crate::{
    config::{
        Config,
        value::{AsSerialize, ConfigValue, FieldPath, ValueVisitor, fields},
    },
    machine::ConfigError,
};

/// Tables of settings, as of [`Config`]: `defaults`, and under `breakers` one for each name. What isn't known is refused, and so is what no
/// breaker could have.
impl<'de> Deserialize<'de> for Configs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let configs = deserializer.deserialize_map(ValueVisitor::<Self>::at(FieldPath::Root))?;
        let refused = |place, error: ConfigError| D::Error::custom(format_args!("{place}.{error}"));
        configs
            .defaults
            .check()
            .map_err(|error| refused("defaults".to_owned(), error))?;
        for (name, config) in &configs.breakers {
            config
                .check()
                .map_err(|error| refused(format!("breakers.{name:?}"), error))?;
        }
        Ok(configs)
    }
}

impl Serialize for Configs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write(serializer)
    }
}

/// A table of settings, as of [`Config`], but for the name.
impl<'de> Deserialize<'de> for PartialConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let config = deserializer.deserialize_map(ValueVisitor::<Self>::at(FieldPath::Root))?;
        config.check().map_err(D::Error::custom)?;
        Ok(config)
    }
}

impl Serialize for PartialConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write(serializer)
    }
}

impl PartialConfig {
    fn check(&self) -> Result<(), ConfigError> {
        self.apply(Config::default()).check()
    }
}

impl ConfigValue for Configs {
    const ACCEPTED: &str = "a table of defaults, and of breakers by name";

    fields!(Self::default(); defaults, breakers);
}

impl ConfigValue for PartialConfig {
    const ACCEPTED: &str = "a table of a circuit breaker's settings";

    fields!(Self::default(); slow_after, trip_when, open_duration, recovery, cancelled_calls);
}

impl ConfigValue for BTreeMap<String, PartialConfig> {
    const ACCEPTED: &str = "a table of breakers by name";

    fn is_unset(&self) -> bool {
        self.is_empty()
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = serializer.serialize_map(Some(self.len()))?;
        for (name, config) in self {
            table.serialize_entry(name, &AsSerialize(config))?;
        }
        table.end()
    }

    fn from_table<'de, A: MapAccess<'de>>(mut table: A, visitor: ValueVisitor<'_, Self>) -> Result<Self, A::Error> {
        let mut read = Self::new();
        while let Some(name) = table.next_key::<String>()? {
            let config = table.next_value_seed(ValueVisitor::at(visitor.path.field(&name)))?;
            if read.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            read.insert(name, config);
        }
        Ok(read)
    }
}
