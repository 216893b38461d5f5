/**
 * What may go wrong with a statement on a database that is in use.
 * `lock`: keeps others waiting for as long as the table is big. `breaks`: the version that still runs stops working.
 * `loss`: data is gone. `manual`: reaches beyond this database's schema.
 */
export type Hazard = 'lock' | 'breaks' | 'loss' | 'manual';

export interface Finding {
  /** Number in docs/migrations.md. */
  readonly rule: number;
  readonly hazard: Hazard;
  readonly detector: 'rule' | 'trace';
  /** What happens, one sentence. */
  readonly message: string;
  /** The safe way to the same end; null where there is none. */
  readonly safe: string | null;
  /** False: the rule had to guess, and a trace that saw nothing counts more. */
  readonly certain: boolean;
  /** False: worth knowing, but it may run before the new version is out. */
  readonly stops: boolean;
}

export function finding(rule: number, hazard: Hazard, message: string, safe: string | null = null): Finding {
  return { rule, hazard, detector: 'rule', message, safe, certain: true, stops: true };
}

export function guess(rule: number, hazard: Hazard, message: string, safe: string | null = null): Finding {
  return { ...finding(rule, hazard, message, safe), certain: false };
}

export function note(rule: number, hazard: Hazard, message: string, safe: string | null = null): Finding {
  return { ...finding(rule, hazard, message, safe), stops: false };
}
