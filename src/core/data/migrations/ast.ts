/** A node of PostgreSQL's own parse tree, as JSON. Read through the helpers here: what is missing reads as nothing. */
export type Node = Readonly<Record<string, unknown>>;

/** One statement of a migration, parsed. */
export interface Statement {
  readonly sql: string;
  /** Line in its file, from 1. */
  readonly line: number;
  /** Name of the parse tree's root, for example `AlterTableStmt`. */
  readonly kind: string;
  readonly tree: Node;
  /** What the body of a `DO` block would run, as far as it stands there as text. */
  readonly nested: readonly Statement[];
  /** The body builds statements at run time: only a trace can tell what they do. */
  readonly dynamic: boolean;
  /** How a body of its own (a `DO` block, the functions that are called) decides what it runs; null where there is none. */
  readonly block: Block | null;
}

/** What decides over the statements of a body. An empty clone takes the branch of no rows. */
export interface Block {
  /** It has branches, loops, or handlers of errors. */
  readonly branches: boolean;
  /** It runs statements that do more than read. */
  readonly acts: boolean;
  /** Relations that it reads. */
  readonly reads: readonly RelationName[];
  /** Functions that it calls. */
  readonly calls: readonly RelationName[];
  /** It reads something else that a clone has no copy of: sizes, statistics, the clock, settings, what EXECUTE gives back. */
  readonly readsSurroundings: boolean;
}

/** Two bodies that run one after the other. */
export function joinBlocks(a: Block | null, b: Block | null): Block | null {
  if (a === null || b === null) return a ?? b;
  return {
    branches: a.branches || b.branches,
    acts: a.acts || b.acts,
    reads: [...a.reads, ...b.reads],
    calls: [...a.calls, ...b.calls],
    readsSurroundings: a.readsSurroundings || b.readsSurroundings,
  };
}

export function child(node: unknown, key: string): Node {
  const value = (node as Node | null | undefined)?.[key];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Node) : {};
}

export function has(node: unknown, key: string): boolean {
  return (node as Node | null | undefined)?.[key] !== undefined;
}

export function list(node: unknown, key: string): readonly Node[] {
  const value = (node as Node | null | undefined)?.[key];
  return Array.isArray(value) ? (value as Node[]) : [];
}

export function str(node: unknown, key: string): string {
  const value = (node as Node | null | undefined)?.[key];
  return typeof value === 'string' ? value : '';
}

export function flag(node: unknown, key: string): boolean {
  return (node as Node | null | undefined)?.[key] === true;
}

/** `[{ String: { sval } }, …]` as text. */
export function names(nodes: readonly Node[]): string[] {
  return nodes.map((node) => str(child(node, 'String'), 'sval')).filter((name) => name !== '');
}

/** A relation as it is written: with its schema where one is given. */
export interface RelationName {
  readonly schema: string | null;
  readonly name: string;
}

export function relation(rangeVar: Node): RelationName {
  return { schema: str(rangeVar, 'schemaname') || null, name: str(rangeVar, 'relname') };
}

/** A dotted name (`schema.name`), as DROP and RENAME have it. */
export function dotted(nodes: readonly Node[]): RelationName {
  const parts = names(nodes);
  return { schema: parts.length > 1 ? (parts.at(-2) ?? null) : null, name: parts.at(-1) ?? '' };
}

export function written({ schema, name }: RelationName): string {
  return schema === null ? name : `${schema}.${name}`;
}

/** Every node below, this one too, with the key it hangs on. */
export function* walk(node: unknown, key = ''): Generator<{ readonly key: string; readonly node: Node }> {
  if (Array.isArray(node)) {
    for (const one of node) yield* walk(one, key);
    return;
  }
  if (typeof node !== 'object' || node === null) return;
  yield { key, node: node as Node };
  for (const [name, value] of Object.entries(node)) yield* walk(value, name);
}

/** Every function called below. */
export function calls(node: unknown): RelationName[] {
  return [...walk(node)].filter(({ key }) => key === 'FuncCall').map(({ node: call }) => dotted(list(call, 'funcname')));
}

/** A type as it is written: last part of its name, and the modifiers that are plain numbers. */
export interface TypeName {
  readonly name: string;
  readonly schema: string | null;
  readonly modifiers: readonly number[];
  readonly isArray: boolean;
}

export function typeName(node: Node): TypeName {
  const { schema, name } = dotted(list(node, 'names'));
  const modifiers = list(node, 'typmods').map((one) => Number(child(child(one, 'A_Const'), 'ival')['ival'] ?? 0));
  return { name, schema, modifiers, isArray: list(node, 'arrayBounds').length > 0 };
}

/** Relations that are read below, those of WITH left out. */
export function relationsRead(node: unknown): RelationName[] {
  const nodes = [...walk(node)];
  const own = new Set(nodes.filter(({ key }) => key === 'CommonTableExpr').map(({ node: one }) => str(one, 'ctename')));
  return nodes
    .filter(({ key }) => key === 'RangeVar')
    .map(({ node: one }) => relation(one))
    .filter(({ schema, name }) => schema !== null || !own.has(name));
}

/** A literal number, also with a sign or a cast; null for anything else. */
export function literalNumber(node: unknown): number | null {
  if (has(node, 'TypeCast')) return literalNumber(child(node, 'TypeCast')['arg']);
  if (has(node, 'A_Expr')) {
    const expression = child(node, 'A_Expr');
    const isMinus = names(list(expression, 'name')).join('') === '-' && !has(expression, 'lexpr');
    const value = isMinus ? literalNumber(expression['rexpr']) : null;
    return value === null ? null : -value;
  }
  if (!has(node, 'A_Const')) return null;
  const constant = child(node, 'A_Const');
  if (has(constant, 'ival')) return Number(child(constant, 'ival')['ival'] ?? 0);
  const text = str(child(constant, 'fval'), 'fval') || str(child(constant, 'sval'), 'sval');
  return text.trim() === '' || Number.isNaN(Number(text)) ? null : Number(text);
}

/** A literal text; null for anything else. */
export function literalText(node: unknown): string | null {
  if (has(node, 'TypeCast')) return literalText(child(node, 'TypeCast')['arg']);
  const constant = child(node, 'A_Const');
  return has(constant, 'sval') ? str(child(constant, 'sval'), 'sval') : null;
}
