import type { Format } from './contents.ts';
import type { GateSettings } from './settings.ts';

/** What is checked of one app, every setting decided. */
export interface AppChecks {
  readonly app: string;
  /** Inside the workspace, POSIX separators. */
  readonly path: string;
  readonly checks: readonly CheckSpec[];
  /** Null: the app asks for no gates. */
  readonly gates: GateSettings | null;
}

export interface CheckSpec {
  readonly check: string;
  /** argv; null: nothing is run, its reports have been made by somebody else. */
  readonly command: readonly string[] | null;
  /** Where it is run: the app's folder, or the workspace's. */
  readonly folder: 'app' | 'workspace';
  /** Checks of the app that must have passed before. */
  readonly needs: readonly string[];
  readonly timeoutMs: number;
  readonly env: Readonly<Record<string, string>>;
  /** Paths outside of the app that its result depends on, too. */
  readonly inputs: readonly string[];
  readonly reports: readonly ReportSpec[];
  /** How long evidence counts, ms; null: as long as nothing has changed; 0: not at all. */
  readonly reuseMs: number | null;
  /** It prepares the folder for others (installs, generates): it is run where one of them is, and is no evidence itself. */
  readonly setup: boolean;
}

export interface ReportSpec {
  readonly format: Format;
  /** Below the app's folder; `*` within a name. */
  readonly path: string;
  /** For formats that are answers of a server. */
  readonly server: string | null;
  /** Name of the variable that holds its token. */
  readonly token: string | null;
  /** Oldest that a report may be which no check here has made, ms. */
  readonly maxAgeMs: number;
  /** Files it mentions that are not looked for, patterns. */
  readonly ignore: readonly string[];
}

/**
 * Checks in an order in which each comes after what it needs.
 * @throws Error for a circle or an unknown name; the configuration has neither.
 */
export function inOrder(checks: readonly CheckSpec[]): CheckSpec[] {
  const byName = new Map(checks.map((one) => [one.check, one]));
  const done = new Set<string>();
  const order: CheckSpec[] = [];
  const visit = (name: string, above: readonly string[]): void => {
    if (done.has(name)) return;
    const found = byName.get(name);
    if (found === undefined || above.includes(name)) throw new Error(`${[...above, name].join(' → ')} is no order of checks`);
    for (const other of found.needs) visit(other, [...above, name]);
    done.add(name);
    order.push(found);
  };
  for (const { check } of checks) visit(check, []);
  return order;
}
