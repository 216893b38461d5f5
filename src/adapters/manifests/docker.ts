import { folderOf } from '../../core/changes/project.ts';
import type { Draft, Reader, Reading } from './draft.ts';
import { pathFrom } from './draft.ts';

const DOCKERFILE = /^(?:Dockerfile|Containerfile)(?:\..+)?$|\.[Dd]ockerfile$/;

/**
 * Dockerfiles: what they COPY or ADD from elsewhere in the workspace, and images of the workspace they are made FROM.
 * A Dockerfile does not say where it is built: when one of its sources is another project, or its own folder as seen from
 * the root, that is the workspace's root; otherwise its own folder, whose content counts anyway.
 */
export const dockerReader: Reader = {
  names: ['Dockerfile', 'Dockerfile.*', '*.Dockerfile', '*.dockerfile', 'Containerfile'],
  find(reading) {
    for (const { folder } of reading.named(DOCKERFILE)) if (reading.owner(folder) === null) reading.project(folder);
  },
  link(reading) {
    const images = new Map<string, Draft>();
    for (const { folder } of reading.named(DOCKERFILE)) {
      const project = reading.owner(folder);
      if (project !== null) images.set(project.path.slice(project.path.lastIndexOf('/') + 1), project);
    }
    for (const { path, folder, text } of reading.named(DOCKERFILE)) {
      const project = reading.owner(folder);
      if (project === null) continue;
      const lines = joined(text);
      const stages = new Set(lines.flatMap((line) => /^FROM\s.*\sAS\s+(\S+)/i.exec(line)?.[1]?.toLowerCase() ?? []));
      for (const line of lines) {
        const image = /^FROM\s+(?:--\S+\s+)*(\S+)/i.exec(line)?.[1];
        const base = image === undefined || stages.has(image.toLowerCase()) ? undefined : images.get(image.replace(/[:@].*$/, ''));
        if (base !== undefined && base !== project) reading.depends(project, base.path, path);
      }
      const sources = lines.flatMap(sourcesOf);
      if (sources.some((source) => isSeenFromRoot(reading, project, source)))
        for (const source of sources) addSource(reading, project, source, path);
    }
  },
};

/** Lines with their continuations, without comments. */
function joined(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
    .replaceAll(/\\\s*\n/g, ' ')
    .split('\n')
    .map((line) => line.trim());
}

function sourcesOf(line: string): string[] {
  if (!/^(COPY|ADD)\s/i.test(line) || /\s--from=/.test(line) || line.includes('<<')) return [];
  const rest = line.replace(/^\S+\s+/, '').replace(/^(?:--\S+\s+)*/, '');
  const words = rest.startsWith('[') ? listOf(rest) : rest.split(/\s+/);
  return words.slice(0, -1).filter((word) => !/^https?:|^git@|\$/.test(word));
}

function listOf(rest: string): string[] {
  try {
    const value: unknown = JSON.parse(rest);
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
  } catch {
    return [];
  }
}

function isSeenFromRoot(reading: Reading, project: Draft, source: string): boolean {
  const target = pathFrom('.', source);
  if (target === null || target === '.') return false;
  const isOwn = target === project.path || target.startsWith(`${project.path}/`);
  return isOwn || reading.projects.has(target) || (reading.owner(target) !== null && reading.owner(target) !== project);
}

function addSource(reading: Reading, project: Draft, source: string, via: string): void {
  const target = pathFrom('.', source);
  if (target === null) return;
  const owner = target === '.' ? null : reading.owner(/[*?]/.test(target) ? folderOf(target) : target);
  if (owner === null || owner === project) reading.reads(project, target, via);
  else reading.depends(project, owner.path, via);
}
