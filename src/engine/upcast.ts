/** Turns an event written under an older schema into the next one. */
export type Upcaster = (data: Record<string, unknown>) => Record<string, unknown>;

/** Present schema version of each type that has had more than one; all others are at 1. */
const SCHEMAS: Readonly<Record<string, number>> = { WeightsShifted: 2 };

/** `<type>@<schema>` → how to make the next schema of it. Entries stay for as long as logs exist that hold them. */
const UPCASTERS: Readonly<Record<string, Upcaster>> = {
  // Earlier versions did not ask at the edge after a shift, and went on at once.
  'WeightsShifted@1': (data) => ({ ...data, toProve: false }),
};

export function schemaOf(type: string): number {
  return SCHEMAS[type] ?? 1;
}

/** Event data as today's code expects it, whatever schema it was stored under. The log itself is never rewritten. */
export function upcast(type: string, schema: number, data: Record<string, unknown>, upcasters = UPCASTERS): Record<string, unknown> {
  let current = data;
  for (let version = schema; ; version += 1) {
    const step = upcasters[`${type}@${version}`];
    if (step === undefined) return current;
    current = step(current);
  }
}
