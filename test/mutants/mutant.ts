/** A planted mistake, and the test that must notice it. */
export interface Mutant {
  /** The mistake in words, for example "a stream that went dark counts as fresh". */
  readonly name: string;
  /** The source file, from the root. */
  readonly file: string;
  /** A text that stands exactly once in the file. */
  readonly from: string;
  /** The text that replaces it. */
  readonly to: string;
  /** The spec that notices, from the root. It needs no server and takes seconds. */
  readonly spec: string;
  /** The title of the test that notices, as it stands in the spec, or a part of it. */
  readonly title: string;
}
