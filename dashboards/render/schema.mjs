// Checks the dashboards against the types of Grafana's foundation SDK: a property that Grafana does not know is a fault,
// as is a value that it does not take. It ends by showing that it finds such faults.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// types are the SDK's as JSON has them: enums are their values, and each type of panel has its own options.
const types = `
import type { FieldConfig as LineFieldConfig, Options as LineOptions } from '@grafana/grafana-foundation-sdk/timeseries';
import type { FieldConfig as TableFieldConfig, Options as TableOptions } from '@grafana/grafana-foundation-sdk/table';
import type { Options as BarOptions } from '@grafana/grafana-foundation-sdk/bargauge';
import type { Options as LogsOptions } from '@grafana/grafana-foundation-sdk/logs';
import type { Options as StatOptions } from '@grafana/grafana-foundation-sdk/stat';
import type { Options as TextOptions } from '@grafana/grafana-foundation-sdk/text';
import type { dataquery as LokiQuery } from '@grafana/grafana-foundation-sdk/loki';
import type { Dataquery as PrometheusQuery } from '@grafana/grafana-foundation-sdk/prometheus';
import type * as sdk from '@grafana/grafana-foundation-sdk/dashboard';

type Plain<T> = 0 extends 1 & T ? any
  : T extends string ? \`\${T}\`
  : T extends (infer Item)[] ? Plain<Item>[]
  : T extends object ? { [Key in keyof T as T[Key] extends () => void ? never : Key]: Plain<T[Key]> }
  : T;

type Property =
  | { id: 'unit' | 'displayName'; value: string }
  | { id: 'decimals' | 'custom.width' | 'custom.fillOpacity'; value: number }
  | { id: 'custom.lineStyle'; value: Plain<NonNullable<LineFieldConfig['lineStyle']>> }
  | { id: 'links'; value: { title: string; url: string; targetBlank?: boolean }[] }
  | { id: 'color'; value: Plain<sdk.FieldColor> }
  | { id: 'mappings'; value: Plain<sdk.ValueMapping>[] }
  | { id: 'custom.cellOptions'; value: Plain<NonNullable<TableFieldConfig['cellOptions']>> };

type FieldConfig<Custom> = {
  defaults: Omit<Plain<sdk.FieldConfig>, 'custom'> & { custom?: Plain<Custom> };
  overrides: { matcher: Plain<sdk.MatcherConfig>; properties: Property[] }[];
};

type Panel<Type, Options, Custom = never> = Omit<Plain<sdk.Panel>, 'type' | 'targets' | 'options' | 'fieldConfig'> & {
  type: Type; targets: (Plain<PrometheusQuery> | Plain<LokiQuery>)[]; options: Plain<Options>; fieldConfig: FieldConfig<Custom>;
};

type TextPanel = Omit<Plain<sdk.Panel>, 'type' | 'options'> & { type: 'text'; options: Plain<TextOptions> };

type Dashboard = Omit<Plain<sdk.Dashboard>, 'panels'> & {
  panels: (Plain<sdk.RowPanel> | TextPanel | Panel<'stat', StatOptions> | Panel<'bargauge', BarOptions> | Panel<'logs', LogsOptions>
    | Panel<'timeseries', LineOptions, LineFieldConfig> | Panel<'table', TableOptions, TableFieldConfig>)[];
};
`;

const compilerOptions = {
  strict: true, noEmit: true, skipLibCheck: true, types: [],
  target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
};

// faults returns what is wrong with the texts of dashboards, by their names.
function faults(texts) {
  const sources = new Map(Object.entries(texts).map(([name, text]) =>
    [here(`./${name}.ts`), `${types}\nexport const dashboard: Dashboard = ${text};\n`]));
  const host = ts.createCompilerHost(compilerOptions);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (file) => sources.has(file) || fileExists(file);
  host.getSourceFile = (file, target) =>
    sources.has(file) ? ts.createSourceFile(file, sources.get(file), target) : getSourceFile(file, target);
  return ts.getPreEmitDiagnostics(ts.createProgram([...sources.keys()], compilerOptions, host));
}

const read = (name) => readFileSync(here(`../grafana/verifyyou-${name}.json`), 'utf8');
const funnel = read('funnel');

// wrong are changes to a good dashboard, each of which must be found.
const wrong = {
  dashboard: ['"editable"', '"editible"'],
  panel: ['"gridPos"', '"gridPosition"'],
  query: ['"legendFormat"', '"legend"'],
  option: ['"showUnfilled"', '"unfilled"'],
  value: ['"displayMode": "basic"', '"displayMode": "plain"'],
  custom: ['"lineWidth"', '"lineThickness"'],
  override: ['"custom.cellOptions"', '"custom.cell"'],
};

const found = faults({ funnel, events: read('events'), logs: read('logs') });
console.error(ts.formatDiagnostics(found, { getCanonicalFileName: (file) => file, getCurrentDirectory: () => here('.'), getNewLine: () => '\n' }));
const spoilt = Object.entries(wrong).map(([name, [good, bad]]) => [`wrong_${name}`, funnel.replace(good, bad)]);
const detected = new Set(faults(Object.fromEntries(spoilt)).map(({ file }) => file?.fileName));
const missed = spoilt.filter(([name]) => !detected.has(here(`./${name}.ts`))).map(([name]) => name);
console.log(`${found.length} faults in the dashboards; of ${spoilt.length} wrong ones, missed: ${missed.join(', ') || 'none'}`);
process.exitCode = found.length + missed.length > 0 ? 1 : 0;
