/**
 * Forms in which a version reaches its platform: `folder`: files on this machine · `image`: a container image ·
 * `bundle`: one packed file that is uploaded · `remote`: the platform keeps it under an id of its own.
 */
export const ARTIFACT_KINDS = ['folder', 'image', 'bundle', 'remote'] as const;

export type ArtifactKind = (typeof ARTIFACT_KINDS)[number];

export interface Artifact {
  readonly kind: ArtifactKind;
  /** `sha256:<hex>` of the content; of a `remote` one the platform's id. */
  readonly digest: string;
}

/**
 * The artifact that plans, versions and events name by one text: `sha256:<hex>` is a folder, because earlier versions knew no
 * other kind, and the other kinds stand before their digest (`image:sha256:<hex>`). So no copy of a version can lose the kind,
 * and the kind is part of the version's id and of what is approved.
 */
export function artifactOf(id: string): Artifact {
  const kind = ARTIFACT_KINDS.find((one) => id.startsWith(`${one}:`));
  return kind === undefined ? { kind: 'folder', digest: id } : { kind, digest: id.slice(kind.length + 1) };
}

/** The text that names an artifact in plans, versions and events. */
export function artifactId({ kind, digest }: Artifact): string {
  return kind === 'folder' ? digest : `${kind}:${digest}`;
}
