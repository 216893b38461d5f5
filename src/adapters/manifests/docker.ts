import { ancestors, folderOf, isPattern } from '../../core/changes/project.ts';
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
      const lines = TEMPLATE.test(path) ? joined(text) : reading.parsed(path, () => instructions(text));
      if (project === null || lines === null) continue;
      const stages = new Set(lines.flatMap((line) => /^FROM\s.*\sAS\s+(\S+)/i.exec(line)?.[1]?.toLowerCase() ?? []));
      for (const line of lines) {
        const image = /^FROM\s+(?:--\S+\s+)*(\S+)/i.exec(line)?.[1];
        const base = image === undefined || stages.has(image.toLowerCase()) ? undefined : images.get(image.replace(/[:@].*$/, ''));
        if (base !== undefined && base !== project) reading.depends(project, base.path, path);
      }
      const sources = lines.flatMap(sourcesOf);
      if (sources.some((source) => isSeenFromRoot(reading, project, source)))
        for (const source of sources) addSource(reading, project, source, path);
      else if (!sources.includes('.')) for (const source of sources) addUncertain(reading, project, source, path);
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

/** Files that an image is made from by another tool first. */
const TEMPLATE = /\.(?:dockerignore|j2|jinja2?|tmpl|tpl|template|erb|in|md)$/;
const INSTRUCTION =
  /^(?:ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|INCLUDE|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)(?:\s|$)/i;

/**
 * The instructions, each on one line, without the lines of here-documents.
 * @throws Error where a line is no instruction, a here-document does not end, or nothing says what the image is made from.
 */
function instructions(text: string): string[] {
  const found: string[] = [];
  let open: string[] = [];
  for (const line of joined(text)) {
    if (open.length > 0) {
      if (line === open[0]) open = open.slice(1);
      continue;
    }
    if (line === '') continue;
    if (!INSTRUCTION.test(line))
      throw new Error(`a line of it begins with ${line.split(/\s+/)[0]?.slice(0, 20) ?? ''}, which is no instruction`);
    found.push(line);
    if (/^(?:RUN|COPY|ADD)\s/i.test(line)) open = [...line.matchAll(/<<-?\s*["']?(\w+)["']?/g)].map((match) => match[1] ?? '');
  }
  if (open.length > 0) throw new Error(`the here-document ${open[0]} does not end`);
  if (!found.some((line) => /^(?:FROM|INCLUDE)\s/i.test(line))) throw new Error('it does not say FROM what it is made');
  return found;
}

/** What a line takes from where it is built; a variable may stand for any name. */
function sourcesOf(line: string): string[] {
  const mounted = /^RUN\s/i.test(line) ? [...line.matchAll(/--mount=(\S+)/g)].flatMap(([, said = '']) => boundSource(said)) : [];
  if (!/^(COPY|ADD)\s/i.test(line) || /\s--from=/.test(line) || line.includes('<<')) return mounted;
  const rest = line.replace(/^\S+\s+/, '').replace(/^(?:--\S+\s+)*/, '');
  const words = rest.startsWith('[') ? listOf(rest) : rest.split(/\s+/);
  return words
    .slice(0, -1)
    .filter((word) => !/^https?:|^git@/.test(word))
    .map((word) => word.replaceAll(/\$(?:\{[^}]*\}|\w+)/g, '*'));
}

/** The source of `type=bind,source=…` that is no stage or image. */
function boundSource(said: string): string[] {
  const options = new Map(said.split(',').map((one) => [one.split('=')[0] ?? '', one.slice(one.indexOf('=') + 1)] as const));
  const source = options.get('source') ?? options.get('src');
  return source === undefined || options.has('from') || (options.get('type') ?? 'bind') !== 'bind' ? [] : [source];
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

/**
 * Nothing tells where this is built: in its own folder, or in one above. What is not known to be in its own folder may
 * be read from each of those above. (One that copies `.` is taken to be built in its own folder.)
 */
function addUncertain(reading: Reading, project: Draft, source: string, via: string): void {
  const own = pathFrom(project.path, source);
  if (own === null || own === project.path || reading.files.has(own)) return;
  for (const folder of ancestors(project.path)) {
    const target = pathFrom(folder, source);
    if (target === null || target === '.' || project.path === target || project.path.startsWith(`${target}/`)) continue;
    addTarget(reading, project, target, via);
  }
}

function addSource(reading: Reading, project: Draft, source: string, via: string): void {
  const target = pathFrom('.', source);
  if (target !== null) addTarget(reading, project, target, via);
}

function addTarget(reading: Reading, project: Draft, target: string, via: string): void {
  const owner = target === '.' ? null : reading.owner(isPattern(target) ? folderOf(target) : target);
  if (owner !== null && owner !== project) {
    reading.depends(project, owner.path, via);
    return;
  }
  reading.reads(project, target, via);
  // What fits a pattern may be a folder.
  if (isPattern(target)) reading.reads(project, `${target}/**`, via);
}
