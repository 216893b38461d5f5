import type { Projection, UpcastStep } from './definition.ts';

type Upcasters = Projection['upcasters'];

/** Data of an event as today's code expects it, whatever schema it was stored under. The log itself is never rewritten. */
export type Upcast = (type: string, schema: number, data: Record<string, unknown>) => Record<string, unknown>;

/** Made once for a projection; the same object comes back where there is nothing to do. */
export function upcastWith(upcasters: Upcasters): Upcast {
  const steps = new Map<string, Map<number, UpcastStep>>();
  for (const [name, step] of Object.entries(upcasters ?? {})) {
    const { type, schema } = parse(name);
    const ofType = steps.get(type) ?? new Map<number, UpcastStep>();
    steps.set(type, ofType.set(schema, step));
  }
  if (steps.size === 0) return (_type, _schema, data) => data;
  return (type, schema, data) => {
    const ofType = steps.get(type);
    if (ofType === undefined) return data;
    let current = data;
    for (let version = schema; ; version += 1) {
      const step = ofType.get(version);
      if (step === undefined) return current;
      current = step(current);
    }
  };
}

/** A kind of event as the store has it. */
export interface StoredType {
  readonly type: string;
  readonly schema: number;
  readonly events: number;
}

export interface CoverageFinding {
  readonly type: string;
  readonly schema: number;
  readonly events: number;
  /** `missing`: no way from there to today's schema. `newer`: written by newer code than this. `unread`: the projection does not know the type. */
  readonly problem: 'missing' | 'newer' | 'unread';
  readonly message: string;
}

/** Whether everything stored can be read: each stored schema has a chain of upcasters to today's. Only `unread` is harmless. */
export function coverage(stored: readonly StoredType[], projection: Pick<Projection, 'name' | 'upcasters' | 'types'>): CoverageFinding[] {
  const names = Object.keys(projection.upcasters ?? {}).map(parse);
  const latest = new Map<string, number>();
  for (const { type, schema } of names) latest.set(type, Math.max(latest.get(type) ?? 1, schema + 1));
  return stored.flatMap(({ type, schema, events }): CoverageFinding[] => {
    const found = (problem: CoverageFinding['problem'], message: string) => [{ type, schema, events, problem, message }];
    if (projection.types !== undefined && !projection.types.includes(type))
      return found('unread', `${projection.name} does not read ${type}`);
    const goal = latest.get(type);
    // Without any upcaster of the type, today's schema is whatever is stored, as long as it is one and the same.
    if (goal === undefined) {
      const newest = Math.max(...stored.filter((one) => one.type === type).map((one) => one.schema));
      return schema === newest
        ? []
        : found(
            'missing',
            `${events} ${type} events are stored under schema ${schema}, others under ${newest}, and there is no upcaster ${type}@${schema}`,
          );
    }
    if (schema > goal) return found('newer', `${events} ${type} events are stored under schema ${schema}; this code knows ${goal}`);
    const gaps = Array.from({ length: goal - schema }, (_, index) => schema + index).filter(
      (step) => !names.some((one) => one.type === type && one.schema === step),
    );
    return gaps.length === 0
      ? []
      : found(
          'missing',
          `${events} ${type} events are stored under schema ${schema}; there is no upcaster ${gaps.map((step) => `${type}@${step}`).join(', ')}`,
        );
  });
}

function parse(name: string): { readonly type: string; readonly schema: number } {
  const at = name.lastIndexOf('@');
  return { type: name.slice(0, at), schema: Number(name.slice(at + 1)) };
}
