import { loadModule, parsePlPgSQLSync, parseSync } from 'libpg-query';
import {
  calls,
  child,
  flag,
  joinBlocks,
  list,
  type Node,
  relation,
  relationsRead,
  type Statement,
  str,
  walk,
} from '../../../core/data/migrations/ast.ts';
import type { Catalog } from '../../../core/data/migrations/catalog.ts';
import { UserError } from '../../../core/errors.ts';

let loading: Promise<void> | null = null;

/**
 * The statements of a file, by PostgreSQL's own parser, with what `DO` blocks would run.
 * @throws UserError `MIGRATION_SYNTAX` with the line.
 */
export async function parseStatements(sql: string, file: string, firstLine = 1): Promise<Statement[]> {
  await (loading ??= loadModule());
  return statementsOf(sql, file, firstLine);
}

function statementsOf(sql: string, file: string, firstLine: number): Statement[] {
  // The parser counts bytes.
  const bytes = Buffer.from(sql, 'utf8');
  const parsed = parse(sql, file, firstLine, bytes);
  return parsed.map((raw) => {
    const at = Number(raw['stmt_location'] ?? 0);
    const length = Number(raw['stmt_len'] ?? 0);
    const text = bytes.subarray(at, length === 0 ? undefined : at + length).toString('utf8');
    const lead = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/.exec(text)?.[0].length ?? 0;
    const start = bytes.subarray(0, at).toString('utf8') + text.slice(0, lead);
    const [entry] = Object.entries(child(raw, 'stmt'));
    const kind = entry?.[0] ?? '';
    const tree = (entry?.[1] ?? {}) as Node;
    const line = firstLine + start.split('\n').length - 1;
    const own = text.slice(lead).trim();
    return { sql: own, line, kind, tree, ...bodyOf(kind, tree, own, file, line) };
  });
}

type Body = Pick<Statement, 'nested' | 'dynamic' | 'block'>;
const NO_BODY: Body = { nested: [], dynamic: false, block: null };

function bodyOf(kind: string, tree: Node, sql: string, file: string, line: number): Body {
  if (kind === 'DoStmt') {
    const options = list(tree, 'args').map((one) => child(one, 'DefElem'));
    return blockOf(languageOf(options), sql, file, line);
  }
  // What is prepared is judged as if it were run: where it is run, only its name stands.
  const inside = kind === 'PrepareStmt' ? child(tree, 'query') : kind === 'ExplainStmt' && isAnalyze(tree) ? child(tree, 'query') : {};
  const [entry] = Object.entries(inside);
  if (entry === undefined) return NO_BODY;
  return { ...NO_BODY, nested: [{ sql, line, kind: entry[0], tree: withoutParameters(entry[1]) as Node, ...NO_BODY }] };
}

function isAnalyze(tree: Node): boolean {
  return list(tree, 'options').some((one) => str(child(one, 'DefElem'), 'defname') === 'analyze');
}

/** The values of a prepared statement come later, so that its parameters bound nothing. */
function withoutParameters(tree: unknown): unknown {
  return JSON.parse(JSON.stringify(tree).replaceAll('"ParamRef"', '"PreparedParameter"'));
}

function languageOf(options: readonly Node[]): string {
  const named = options.find((one) => str(one, 'defname') === 'language');
  return str(child(child(named ?? {}, 'arg'), 'String'), 'sval') || 'plpgsql';
}

function parse(sql: string, file: string, firstLine: number, bytes: Buffer): readonly Node[] {
  try {
    return list(parseSync(sql), 'stmts');
  } catch (error) {
    const { sqlDetails } = error as { sqlDetails?: { cursorPosition?: number } };
    const line =
      firstLine +
      bytes
        .subarray(0, sqlDetails?.cursorPosition ?? 0)
        .toString('utf8')
        .split('\n').length -
      1;
    throw new UserError(
      'MIGRATION_SYNTAX',
      `${file}:${line}: ${(error as Error).message}`,
      'Correct the statement; it is read by the parser of PostgreSQL itself.',
    );
  }
}

/** A body in a language that cannot be read: it may do anything. */
const UNREADABLE: Body = {
  nested: [],
  dynamic: true,
  block: { branches: true, acts: true, reads: [], calls: [], readsSurroundings: true },
};

/** Parts of PL/pgSQL that run what they hold another number of times than once. */
const BRANCHES = /^PLpgSQL_(stmt_(if|case|loop|while|fori|fors|forc|foreach_a|dynfors|exit|return_next|return_query)|exception)$/;
/** What an empty clone, or another moment, answers differently. */
const SURROUNDINGS =
  /\b(reltuples|relpages|pg_stat\w*|pg_\w*_size|pg_roles|pg_authid|pg_database|current_(?:database|catalog|user|role|setting)|session_user|inet_server_\w+|pg_is_in_recovery|now|clock_timestamp|statement_timestamp|transaction_timestamp|current_(?:date|time|timestamp)|random|nextval|currval|lastval|last_value|version)\b/i;

/** What a PL/pgSQL block (a `DO` or a `CREATE FUNCTION`) would run: its SQL statements, and what it executes where that is plain text. */
function blockOf(language: string, sql: string, file: string, line: number): Body {
  if (language.toLowerCase() !== 'plpgsql') return UNREADABLE;
  let block: unknown;
  try {
    block = parsePlPgSQLSync(sql);
  } catch {
    return UNREADABLE;
  }
  const nodes = [...walk(block)];
  const texts = nodes.filter(({ key }) => key === 'PLpgSQL_expr').map(({ node }) => str(node, 'query'));
  const nested: Statement[] = [];
  // What a statement that changes something mentions decides over nothing; what an expression mentions does.
  const acting = new Set<string>();
  let dynamic = false;
  for (const { key, node } of nodes) {
    const text = queryOf(key, node);
    if (text === null) continue;
    const found = text === undefined ? [] : inner(text, file, line, () => (dynamic = true));
    if (text === undefined) dynamic = true;
    else if (found.some(({ kind }) => kind !== 'SelectStmt')) acting.add(text);
    nested.push(...found);
  }
  const deciding = texts.filter((text) => !acting.has(text));
  const trees = deciding.map(expressionTree);
  const all = [...trees, ...nested.map(({ kind, tree }) => ({ [kind]: tree }))];
  const answered = nodes.some(
    ({ key, node }) => key === 'PLpgSQL_stmt_dynexecute' && flag(node, 'into') && queryOf(key, node) === undefined,
  );
  return {
    nested,
    dynamic,
    block: {
      branches: nodes.some(({ key, node }) => BRANCHES.test(key) || (key === 'PLpgSQL_stmt_block' && node['exceptions'] !== undefined)),
      acts: dynamic || nested.some(({ kind }) => kind !== 'SelectStmt') || nodes.some(({ key }) => key === 'PLpgSQL_stmt_call'),
      reads: [...trees.flatMap(relationsRead), ...all.flatMap(targets)],
      calls: all.flatMap(calls),
      readsSurroundings: answered || deciding.some((text) => SURROUNDINGS.test(text)),
    },
  };
}

/** An expression, or an assignment, as the SELECT that PL/pgSQL makes of it. */
function expressionTree(text: string): unknown {
  for (const sql of [text, `SELECT ${text}`, `SELECT ${text.replace(/^[^=]*?:?=/, '')}`]) {
    try {
      return parseSync(sql);
    } catch {
      continue;
    }
  }
  return {};
}

/** Tables whose rows decide whether a change FOUND any. */
function targets(tree: unknown) {
  return [...walk(tree)]
    .filter(({ key }) => key === 'UpdateStmt' || key === 'DeleteStmt' || key === 'MergeStmt')
    .map(({ node }) => relation(child(node, 'relation')));
}

/** SQL of a PL/pgSQL statement; undefined where it is made at run time, null where it is no statement. */
function queryOf(key: string, node: Node): string | null | undefined {
  const expression = (name: string): string => str(child(child(node, name), 'PLpgSQL_expr'), 'query');
  switch (key) {
    case 'PLpgSQL_stmt_execsql':
      return expression('sqlstmt');
    case 'PLpgSQL_stmt_perform':
      return expression('expr').replace(/^\s*perform\b/i, 'SELECT');
    case 'PLpgSQL_stmt_call':
      return expression('expr');
    case 'PLpgSQL_stmt_fors':
      return expression('query');
    case 'PLpgSQL_stmt_dynexecute':
    case 'PLpgSQL_stmt_dynfors':
      return plainText(expression('query'));
    case 'PLpgSQL_stmt_return_query':
    case 'PLpgSQL_stmt_open':
      return node['dynquery'] === undefined ? null : plainText(expression('dynquery'));
    default:
      return null;
  }
}

function plainText(expression: string): string | undefined {
  return /^'((?:[^']|'')*)'$/.exec(expression.trim())?.[1]?.replaceAll("''", "'");
}

function inner(sql: string, file: string, line: number, giveUp: () => void): Statement[] {
  try {
    return statementsOf(sql, file, line).map((one) => ({ ...one, line }));
  } catch {
    giveUp();
    return [];
  }
}

const DEPTH = 5;

/** The statement with what the functions and procedures that it calls would run, and what those call in turn. */
export function withBodies(statement: Statement, catalog: Catalog, depth = 0): Statement {
  const called = [{ [statement.kind]: statement.tree }, ...statement.nested.map(({ kind, tree }) => ({ [kind]: tree }))].flatMap(calls);
  const wanted = new Set([...called, ...(statement.block?.calls ?? [])].map(({ name }) => name));
  const own = Object.entries(catalog.functions).filter(([signature]) => wanted.has(nameIn(signature)));
  if (own.length === 0 || depth >= DEPTH) return statement;
  return own.reduce<Statement>((so, [signature, { definition }]) => {
    const body = functionBody(signature, definition, statement.line);
    const deep = withBodies({ ...statement, kind: 'DoStmt', tree: {}, ...body }, catalog, depth + 1);
    return {
      ...so,
      nested: [...so.nested, ...deep.nested],
      dynamic: so.dynamic || deep.dynamic,
      block: joinBlocks(so.block, deep.block),
    };
  }, statement);
}

/** `schema.name(arguments)` → name */
function nameIn(signature: string): string {
  const head = signature.slice(0, signature.indexOf('('));
  return head.slice(head.indexOf('.') + 1);
}

function functionBody(signature: string, definition: string, line: number): Body {
  let tree: Node;
  try {
    tree = child(child(list(parseSync(definition), 'stmts')[0] ?? {}, 'stmt'), 'CreateFunctionStmt');
  } catch {
    return UNREADABLE;
  }
  const options = list(tree, 'options').map((one) => child(one, 'DefElem'));
  const language = languageOf(options).toLowerCase();
  if (language !== 'sql') return blockOf(language, definition, signature, line);
  const text = str(
    child(list(child(child(options.find((one) => str(one, 'defname') === 'as') ?? {}, 'arg'), 'List'), 'items')[0] ?? {}, 'String'),
    'sval',
  );
  let dynamic = false;
  const nested = inner(text, signature, line, () => (dynamic = true));
  const trees = nested.map((one) => ({ [one.kind]: one.tree }));
  return {
    nested,
    dynamic,
    block: {
      branches: false,
      acts: dynamic || nested.some(({ kind }) => kind !== 'SelectStmt'),
      reads: trees.flatMap((one) => [...relationsRead(one), ...targets(one)]),
      calls: trees.flatMap(calls),
      readsSurroundings: SURROUNDINGS.test(text),
    },
  };
}
