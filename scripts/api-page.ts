import { z } from 'zod';
import type { Route } from '../src/server/http/route.ts';

const HEAD = `# HTTP API

<!-- Made from the routes: make docs -->

Everything the command line can do, and everything it knows, goes through this API. \`GET /openapi.json\` (OpenAPI 3.1, made
from the schemas that check the requests) describes it for programs; this page is for people.

- Every request carries \`Authorization: Bearer <token>\`: the one in \`.sluice/control-plane.json\`, or the one that
  \`sluice server\` was given in \`SLUICE_TOKEN\`. There is no route without it. The control plane listens on 127.0.0.1 unless
  it is told otherwise; put TLS in front of it before others can reach it.
- Requests and answers are JSON. \`by\` names who asks, for the audit log. Times are milliseconds since the Unix epoch.
- What goes wrong is answered as RFC 9457 \`application/problem+json\` with \`code\` (stable, see [errors.md](errors.md)),
  \`detail\` and \`hint\` (what to do next). 400 the request, 401 the token, 404 not there, 409 not possible now, 422 not
  possible, 500 a bug of ours, 503 something outside.
- Event streams are server-sent events: \`id\` is the event's position, \`event\` its type, \`data\` the whole event. Go on after
  a break with \`Last-Event-ID\`. A comment comes every 15 s, so a stream that is silent for longer is dead. Something that
  goes wrong in the middle comes as a \`problem\` event.
- A deploy in two steps (\`POST /v1/plans\`, then \`POST /v1/releases\` with its \`planHash\`) releases exactly the plan that was
  looked at, or answers \`PLAN_STALE\`.
- Values of secrets appear in no answer, event or log line: they are taken out by value, whatever way they came in.

`;

/** The manual of the API, made from its routes. */
export function apiPage(routes: readonly Route[]): string {
  const groups = [...new Set(routes.map((route) => route.group))];
  return `${HEAD}${groups
    .map(
      (group) =>
        `## ${group}\n\n${routes
          .filter((route) => route.group === group)
          .map(section)
          .join('\n')}`,
    )
    .join('\n')}`;
}

function section(route: Route): string {
  const inputs = [...fields('path', route.params), ...fields('query', route.query), ...fields('body', route.body)];
  const table = inputs.length === 0 ? '' : `\n| in | field | meaning |\n| --- | --- | --- |\n${inputs.join('\n')}\n`;
  const answer = route.answer === null ? 'Answers a stream of events.' : `Answers ${answerWords(route.answer)}.`;
  return `### ${route.method} ${route.url}\n\n${route.summary} ${answer}\n${table}`;
}

function fields(place: string, schema: z.ZodObject | null): string[] {
  if (schema === null) return [];
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as {
    properties?: Record<string, { description?: string }>;
    required?: string[];
  };
  return Object.entries(json.properties ?? {}).map(
    ([name, { description = '' }]) =>
      `| ${place} | \`${name}\`${json.required?.includes(name) === true ? '' : ' (optional)'} | ${description} |`,
  );
}

function answerWords(schema: z.ZodType): string {
  const { id } = (schema.meta() ?? {}) as { id?: string };
  if (id !== undefined) return `\`${id}\``;
  const json = z.toJSONSchema(schema, { unrepresentable: 'any' }) as { properties?: object };
  return `\`{ ${Object.keys(json.properties ?? {}).join(', ')} }\``;
}
