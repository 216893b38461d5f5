import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/* Requests and answers held against Neon's own OpenAPI document, as far as that is used here (contract.json is an excerpt). */

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly allOf?: readonly Schema[];
  readonly pattern?: string;
  readonly format?: string;
}

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean; readonly $ref?: string }[];
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Schema } }; readonly required?: boolean };
  readonly responses: Readonly<
    Record<string, { readonly $ref?: string; readonly content?: { readonly 'application/json': { readonly schema: Schema } } }>
  >;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, never>>>>;
}

const document = JSON.parse(readFileSync(join(import.meta.dirname, 'contract.json'), 'utf8')) as Document;

/** The operation that a request means; null when the API has none such. */
export function operationOf(method: string, path: string): Operation | null {
  for (const [template, operations] of Object.entries(document.paths)) {
    const pattern = new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[a-z0-9-]+')}$`);
    const found = operations[method.toLowerCase()];
    if (pattern.test(path) && found !== undefined) return found;
  }
  return null;
}

/** What is wrong with a request, by the contract. */
export function requestMistakes(operation: Operation, query: URLSearchParams, body: unknown): string[] {
  const parameters = (operation.parameters ?? []).map((one) => (one.$ref === undefined ? one : (resolve(one.$ref) as typeof one)));
  const known = new Set(parameters.filter((one) => one.in === 'query').map((one) => one.name));
  const unknown = [...query.keys()].filter((name) => !known.has(name)).map((name) => `unknown query parameter ${name}`);
  const missing = parameters
    .filter((one) => one.in === 'query' && one.required === true && !query.has(one.name))
    .map((one) => `missing query parameter ${one.name}`);
  const schema = operation.requestBody?.content['application/json'].schema;
  if (schema === undefined) return [...unknown, ...missing, ...(body === null ? [] : ['a body where none belongs'])];
  return [...unknown, ...missing, ...(body === null ? [] : mistakes(schema, body, 'body', true))];
}

/** What is wrong with an answer of the fake, by the contract. */
export function answerMistakes(operation: Operation, status: number, body: unknown): string[] {
  const named = operation.responses[String(status)] ?? operation.responses['default'];
  const response = named?.$ref === undefined ? named : (resolve(named.$ref) as typeof named);
  const schema = response?.content?.['application/json'].schema;
  return schema === undefined ? [] : mistakes(schema, body, 'answer', false);
}

function resolve(ref: string): unknown {
  const [, , kind = '', name = ''] = ref.split('/');
  return document.components[kind]?.[name];
}

function mistakes(given: Schema, value: unknown, at: string, isStrict: boolean): string[] {
  const schema = given.$ref === undefined ? given : (resolve(given.$ref) as Schema);
  if (schema.allOf !== undefined) return schema.allOf.flatMap((part) => mistakes(part, value, at, false));
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${at} is ${String(value)}, not one of ${schema.enum.join(', ')}`];
  if (schema.type === 'array')
    return Array.isArray(value)
      ? value.flatMap((item, i) => mistakes(schema.items ?? {}, item, `${at}.${i}`, isStrict))
      : [`${at} is no list`];
  if (schema.type === 'object' || schema.properties !== undefined) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is no object`];
    const known = schema.properties ?? {};
    const missing = (schema.required ?? []).filter((name) => !(name in value)).map((name) => `${at}.${name} is missing`);
    const parts = Object.entries(value).flatMap(([name, part]) => {
      const inner = known[name];
      return inner === undefined ? (isStrict ? [`${at}.${name} is unknown`] : []) : mistakes(inner, part, `${at}.${name}`, isStrict);
    });
    return [...missing, ...parts];
  }
  if (schema.type === 'string' && typeof value !== 'string') return [`${at} is no text`];
  if ((schema.type === 'integer' || schema.type === 'number') && typeof value !== 'number') return [`${at} is no number`];
  if (schema.type === 'boolean' && typeof value !== 'boolean') return [`${at} is neither true nor false`];
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(String(value)))
    return [`${at} is ${String(value)}, which ${schema.pattern} does not allow`];
  if (schema.format === 'date-time' && Number.isNaN(Date.parse(String(value)))) return [`${at} is no moment`];
  return [];
}
