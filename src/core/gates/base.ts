/**
 * The commit that lines are new against. `none`: nothing came before, so that every line is new. `unknown`: something came
 * before and is not known here; then a gate of new things fails, unless no base at all could make it fail.
 */
export type Base =
  | { readonly kind: 'commit'; readonly commit: string }
  | { readonly kind: 'none'; /** One sentence. */ readonly why: string }
  | UnknownBase;

export interface UnknownBase {
  readonly kind: 'unknown';
  /** What is missing, one sentence. */
  readonly why: string;
  /** What to fetch or to say, one sentence. */
  readonly fix: string;
}

/** `What is new cannot be known: the clone is shallow … Fetch the history: git fetch --unshallow.` */
export function unknownBaseText({ why, fix }: UnknownBase): string {
  return `What is new cannot be known. ${why} ${fix}`;
}
