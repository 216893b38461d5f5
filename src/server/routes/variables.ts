import { z } from 'zod';
import type { Variable } from '../../services/secrets/variables-port.ts';
import type { ServerParts } from '../parts.ts';
import { route, type Route } from '../http/route.ts';
import { environmentName, variable, variableName } from '../schemas.ts';

const answer = z.object({ variables: z.array(variable) });

/** Values of the variables that configurations name. */
export function variableRoutes({ variables }: ServerParts): readonly Route[] {
  const wanted = async (environment: string) => ({ variables: (await variables?.wanted(environment)) ?? [] });
  return [
    route({
      method: 'GET',
      url: '/v1/variables',
      id: 'listVariables',
      group: 'environments',
      summary: 'Variables that an environment takes with `fromEnv`, and where their values are found. Never the values.',
      query: z.object({ environment: environmentName }),
      answer,
      handle: ({ query: { environment } }) => wanted(environment),
    }),
    route({
      method: 'POST',
      url: '/v1/variables',
      id: 'offerVariables',
      group: 'environments',
      summary: 'Values from the environment of whoever asks, for the next plan and deploy; they replace those offered before.',
      body: z.object({ environment: environmentName, values: z.record(variableName, z.string().max(1_000_000)) }),
      answer,
      async handle({ body: { environment, values } }) {
        await variables?.offer(environment, values);
        return wanted(environment);
      },
    }),
  ];
}

/** What a person should know about the values before they deploy. */
export function valueNotices(variables: readonly Variable[], environment: string): string[] {
  const missing = variables.filter(({ from }) => from === null);
  const plain = variables.filter(({ isHidden }) => !isHidden).map(({ name }) => name);
  return [
    ...(missing.length === 0
      ? []
      : [
          `No value is known for ${missing.map(({ name, apps }) => `${name} (${apps.join(', ')})`).join(', ')}: a deploy is refused until .env.${environment}, .env or your shell has ${missing.length === 1 ? 'it' : 'them'}.`,
        ]),
    ...(plain.length === 0 ? [] : [`Too short or too common to be taken out of logs: the value of ${plain.join(', ')}.`]),
  ];
}
