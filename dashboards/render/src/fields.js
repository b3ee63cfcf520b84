// What Grafana does between the answer of a data source and a panel: transformations, then field options.
import {
  applyFieldOverrides, cacheFieldDisplayNames, FieldConfigOptionsRegistry, identityOverrideProcessor,
  standardTransformers, standardTransformersRegistry, transformDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';

// Grafana's server registers these at its start. Some are listed twice, under two names.
const transformers = new Map(Object.values(standardTransformers).map((info) => [info.id, info]));
standardTransformersRegistry.setInit(() =>
  [...transformers.values()].map((info) => ({ id: info.id, name: info.name, transformation: async () => info })),
);

const standardOptions = ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'thresholds', 'mappings', 'color'];

// registry knows the options that a panel sets.
function registry({ defaults, overrides }) {
  const custom = [
    ...Object.keys(defaults.custom ?? {}).map((key) => `custom.${key}`),
    ...overrides.flatMap(({ properties }) => properties.map(({ id }) => id)).filter((id) => id.startsWith('custom.')),
  ];
  return new FieldConfigOptionsRegistry(() =>
    [...standardOptions, ...new Set(custom)].map((id) => ({
      id,
      path: id.replace(/^custom\./, ''),
      name: id,
      isCustom: id.startsWith('custom.'),
      process: identityOverrideProcessor,
      shouldApply: () => true,
    })),
  );
}

// JSON has no -Infinity: the first threshold is null in it.
function withThresholds(fieldConfig) {
  const steps = fieldConfig.defaults.thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity }));
  return { ...fieldConfig, defaults: { ...fieldConfig.defaults, thresholds: { ...fieldConfig.defaults.thresholds, steps } } };
}

// prepare returns the frames as a panel draws them.
export async function prepare(panel, frames, theme, timeZone) {
  const context = { interpolate: (text) => text };
  const transformed = await lastValueFrom(transformDataFrame(panel.transformations ?? [], frames, context));
  const fieldConfig = withThresholds(panel.fieldConfig);
  const fieldConfigRegistry = registry(fieldConfig);
  for (const { properties } of fieldConfig.overrides) {
    for (const { id } of properties) {
      fieldConfigRegistry.get(id); // throws if it is none
    }
  }
  const data = applyFieldOverrides({ data: transformed, fieldConfig, fieldConfigRegistry, replaceVariables: (text) => text, theme, timeZone });
  cacheFieldDisplayNames(data);
  return { data, fieldConfig };
}
