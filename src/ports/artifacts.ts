/** Built artifacts by content digest. An artifact never changes once it is stored. */
export interface ArtifactStore {
  /**
   * Store a folder's content and return its digest (`sha256:<hex>` over sorted paths, modes and
   * contents; time stamps do not count). Atomic: a crash leaves the whole artifact or none.
   * @throws UserError `ARTIFACT_EMPTY` | OutsideError `DISK_FULL`, nothing half-written kept.
   */
  put(folder: string): Promise<string>;
  has(digest: string): Promise<boolean>;
  /** Read-only folder of a stored artifact; verifies that it is complete. */
  folder(digest: string): Promise<string>;
  /** Delete all but these. Returns the digests removed. */
  keepOnly(digests: ReadonlySet<string>): Promise<readonly string[]>;
}
