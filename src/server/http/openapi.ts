import { z } from 'zod';
import type { Route } from './route.ts';
import { problem } from '../schemas.ts';

type Json = Record<string, unknown>;

/** The OpenAPI 3.1 document of these routes, made from the schemas that check them. */
export function openapi(routes: readonly Route[], version: string): Json {
  const components: Json = {};
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, components) };
  }
  const error = schemaOf(problem, components, 'output');
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice',
      version,
      summary: 'From commit to production on evidence, and back.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ token: [] }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'The token in .sluice/control-plane.json, or the one given to `sluice server`.',
        },
      },
      responses: {
        Problem: { description: 'It did not work; `hint` says what to do.', content: { 'application/problem+json': { schema: error } } },
      },
    },
  };
}

function operation(route: Route, components: Json): Json {
  const answer =
    route.answer === null
      ? {
          description: 'Server-sent events; go on after a break with Last-Event-ID.',
          content: { 'text/event-stream': { schema: { type: 'string' } } },
        }
      : { description: 'Done.', content: { 'application/json': { schema: schemaOf(route.answer, components, 'output') } } };
  const resume =
    route.answer === null
      ? [
          {
            name: 'Last-Event-ID',
            in: 'header',
            required: false,
            schema: { type: 'integer' },
            description: 'Position of the last event seen.',
          },
        ]
      : [];
  const parameters = [...parametersOf(route.params, 'path', components), ...parametersOf(route.query, 'query', components), ...resume];
  return {
    operationId: route.id,
    summary: route.summary,
    tags: [route.group],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === null
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body, components, 'input') } } } }),
    responses: { 200: answer, default: { $ref: '#/components/responses/Problem' } },
  };
}

function parametersOf(schema: z.ZodObject | null, place: 'path' | 'query', components: Json): Json[] {
  if (schema === null) return [];
  return Object.entries(schema.shape as Record<string, z.ZodType>).map(([name, part]) => {
    const isOptional = place === 'query' && part.safeParse(undefined).success;
    const { description, ...rest } = schemaOf(part, components, 'input');
    return { name, in: place, required: !isOptional, schema: rest, ...(typeof description === 'string' ? { description } : {}) };
  });
}

/** JSON Schema 2020-12, which OpenAPI 3.1 uses as it is; parts with an id go to the components. */
function schemaOf(schema: z.ZodType, components: Json, io: 'input' | 'output'): Json {
  const {
    $defs = {},
    $schema: _dialect,
    ...own
  } = z.toJSONSchema(schema, { target: 'draft-2020-12', io, unrepresentable: 'any' }) as Json & { $defs?: Json };
  for (const [name, definition] of Object.entries($defs)) components[name] = moved(without$id(definition as Json));
  const { id } = own as { id?: unknown };
  const result = moved(without$id(own));
  if (typeof id !== 'string') return result;
  components[id] = result;
  return { $ref: `#/components/schemas/${id}` };
}

function without$id({ $id: _id, id: _name, ...rest }: Json): Json {
  return rest;
}

/** `#/$defs/x` → `#/components/schemas/x` */
function moved<T>(value: T): T {
  if (Array.isArray(value)) return value.map(moved) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === '$ref' && typeof item === 'string' ? item.replace('#/$defs/', '#/components/schemas/') : moved(item),
    ]),
  ) as T;
}
