import type { ColumnType } from './definition.ts';

export type Columns = Readonly<Record<string, ColumnType>>;

/** One column of the view that readers use. */
export interface ViewColumn {
  readonly name: string;
  readonly type: ColumnType;
  /** False: this version does not have it; it reads as NULL. */
  readonly present: boolean;
}

export type ViewShape =
  | {
      readonly kind: 'fits';
      readonly columns: readonly ViewColumn[];
      readonly added: readonly string[];
      readonly missing: readonly string[];
    }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * The columns of the view when it is switched to another version. The view only ever grows: what readers have
 * prepared goes on working, grants stay, and going back is the same move in the other direction.
 */
export function viewShape(now: Columns | null, next: Columns): ViewShape {
  const before = Object.entries(now ?? {});
  const changed = before.find(([name, type]) => next[name] !== undefined && next[name] !== type);
  if (changed !== undefined) {
    const [name, type] = changed;
    return {
      kind: 'refused',
      reason: `column ${name} is ${type} for readers now and would become ${next[name]}; give the new one another name`,
    };
  }
  const added = Object.keys(next).filter((name) => now?.[name] === undefined);
  const columns = [
    ...before.map(([name, type]) => ({ name, type, present: next[name] !== undefined })),
    ...added.map((name) => ({ name, type: next[name] as ColumnType, present: true })),
  ];
  return {
    kind: 'fits',
    columns,
    added: now === null ? [] : added,
    missing: columns.filter(({ present }) => !present).map(({ name }) => name),
  };
}
