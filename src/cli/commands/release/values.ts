import type { Plan } from '../../../core/release/plan/plan.ts';
import type { Variable } from '../../../services/secrets/variables-port.ts';
import type { Client } from '../../control-plane/client.ts';
import type { Session } from '../../session/session.ts';

export interface MadePlan {
  readonly plan: Plan;
  readonly notices: readonly string[];
  readonly variables: readonly Variable[];
}

/**
 * Hand the values of `fromEnv` variables that this shell has to the workspace's own control plane, which may have been started from
 * another one. Over loopback, with its token, in the body of a request; one elsewhere has values of its own and is told none.
 */
export async function offerValues(session: Session, client: Client, environment: string): Promise<void> {
  if (!client.target().isLocal) return;
  const { variables } = await client.get<{ variables: Variable[] }>('/v1/variables', { environment });
  await offer(session, client, environment, variables);
}

/** A plan with this shell's values; made once more where the configuration has begun to name a variable that this shell has. */
export async function planWithValues(session: Session, client: Client, body: { readonly environment: string }): Promise<MadePlan> {
  const make = () => client.post<MadePlan>('/v1/plans', body);
  if (!client.target().isLocal) return make();
  const { variables } = await client.get<{ variables: Variable[] }>('/v1/variables', { environment: body.environment });
  await offer(session, client, body.environment, variables);
  const made = await make();
  const known = new Set(variables.map(({ name }) => name));
  if (!made.variables.some(({ name }) => !known.has(name) && valueIn(session, name) !== null)) return made;
  await offer(session, client, body.environment, [...variables, ...made.variables]);
  return make();
}

async function offer(session: Session, client: Client, environment: string, wanted: readonly Variable[]): Promise<void> {
  const values = wanted.flatMap(({ name }) => {
    const value = valueIn(session, name);
    return value === null ? [] : [[name, value] as const];
  });
  await client.post('/v1/variables', { environment, values: Object.fromEntries(values) });
}

function valueIn({ env }: Session, name: string): string | null {
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  return value === undefined || value === '' ? null : value;
}
