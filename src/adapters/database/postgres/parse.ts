import { loadModule, parsePlPgSQLSync, parseSync } from 'libpg-query';
import type { Node, Statement } from '../../../core/data/migrations/ast.ts';
import { child, list, str, walk } from '../../../core/data/migrations/ast.ts';
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
    const body = kind === 'DoStmt' ? blockOf(tree, text.slice(lead), file, firstLine) : { nested: [], dynamic: false };
    return { sql: text.slice(lead).trim(), line: firstLine + start.split('\n').length - 1, kind, tree, ...body };
  });
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

/** What a PL/pgSQL block would run: its SQL statements, and what it executes where that is plain text. */
function blockOf(tree: Node, sql: string, file: string, line: number): { nested: Statement[]; dynamic: boolean } {
  const options = list(tree, 'args').map((one) => child(one, 'DefElem'));
  const language = str(child(child(options.find((one) => str(one, 'defname') === 'language') ?? {}, 'arg'), 'String'), 'sval');
  if (language !== '' && language !== 'plpgsql') return { nested: [], dynamic: true };
  let block: unknown;
  try {
    block = parsePlPgSQLSync(sql);
  } catch {
    return { nested: [], dynamic: true };
  }
  const nested: Statement[] = [];
  let dynamic = false;
  for (const { key, node } of walk(block)) {
    const text = queryOf(key, node);
    if (text === null) continue;
    if (text === undefined) dynamic = true;
    else nested.push(...inner(text, file, line, () => (dynamic = true)));
  }
  return { nested, dynamic };
}

/** SQL of a PL/pgSQL statement; undefined where it is made at run time, null where it is no statement. */
function queryOf(key: string, node: Node): string | null | undefined {
  if (key === 'PLpgSQL_stmt_execsql') return str(child(child(node, 'sqlstmt'), 'PLpgSQL_expr'), 'query');
  if (key === 'PLpgSQL_stmt_perform') return str(child(child(node, 'expr'), 'PLpgSQL_expr'), 'query').replace(/^\s*perform\b/i, 'SELECT');
  if (key === 'PLpgSQL_stmt_call') return str(child(child(node, 'expr'), 'PLpgSQL_expr'), 'query');
  if (key !== 'PLpgSQL_stmt_dynexecute') return null;
  const expression = str(child(child(node, 'query'), 'PLpgSQL_expr'), 'query').trim();
  const plain = /^'((?:[^']|'')*)'$/.exec(expression)?.[1];
  return plain?.replaceAll("''", "'");
}

function inner(sql: string, file: string, line: number, giveUp: () => void): Statement[] {
  try {
    return statementsOf(sql, file, line).map((one) => ({ ...one, line }));
  } catch {
    giveUp();
    return [];
  }
}
