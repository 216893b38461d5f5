import { canonicalJson } from '../text/canonical.ts';
import type { HealthSpec, RunSpec } from '../app/run.ts';

interface Settings {
  readonly run: RunSpec;
  readonly health: HealthSpec | null;
}

/**
 * Names of the run and health settings that differ, sorted: `run.env.LOG_LEVEL`, `run.instances`.
 * Never their values: an environment variable may hold a secret.
 */
export function changedSettings(before: Settings, after: Settings): string[] {
  const names: string[] = [];
  compare('run', before.run, after.run, names);
  compare('health', before.health, after.health, names);
  return names.toSorted();
}

function compare(name: string, before: unknown, after: unknown, names: string[]): void {
  if (isSameReference(before, after)) return;
  if (isSettings(before) && isSettings(after) && !isReference(before) && !isReference(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) compare(`${name}.${key}`, before[key], after[key], names);
  } else if (said(before) !== said(after)) names.push(name);
}

function said(value: unknown): string {
  return value === undefined ? '' : canonicalJson(value);
}

function isSettings(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Of the same variable, and not known to have another value now: what was deployed by an earlier Sluice has no identity. */
function isSameReference(before: unknown, after: unknown): boolean {
  if (!isSettings(before) || !isSettings(after) || !isReference(before) || before['fromEnv'] !== after['fromEnv']) return false;
  return before['identity'] === undefined || after['identity'] === undefined || before['identity'] === after['identity'];
}

/** `{ fromEnv: 'NAME' }` is one value, not a group of settings. */
function isReference(value: Record<string, unknown>): boolean {
  return typeof value['fromEnv'] === 'string';
}
