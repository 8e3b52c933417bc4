import { Failure, sha256 } from '../../lib/index.ts'
import type { ImageInfo } from '../index.ts'
import type { Program } from './process.ts'
import { builtInImages, steps } from './programs.ts'

export interface MemoryImage {
  info: ImageInfo
  program: Program
}

/** What a memory engine can pull and what it has, by full reference. */
export interface MemoryImages {
  /** What `pull` finds; it fails with a Failure put in its place. */
  readonly remote: Map<string, MemoryImage | Failure>
  readonly local: Map<string, MemoryImage>
}

export function memoryImages(): MemoryImages {
  const remote = Object.entries(builtInImages).map(
    ([reference, program]) => [reference, memoryImage(reference, program)] as const,
  )
  return { remote: new Map(remote), local: new Map() }
}

export function memoryImage(
  reference: string,
  program: Program,
  info: Partial<ImageInfo> = {},
): MemoryImage {
  return {
    program,
    info: {
      id: `sha256:${sha256(reference)}`,
      digests: [
        `${reference.replace(/:[^:/]*$/, '')}@sha256:${sha256(`manifest of ${reference}`)}`,
      ],
      sizeBytes: 1000,
      entrypoint: [],
      command: [],
      env: [],
      user: '',
      workingDir: '',
      exposedPorts: [],
      ...info,
    },
  }
}

/** With the tag that the engine assumes. */
export function fullReference(reference: string): string {
  return /[:@][^/]*$/.test(reference) ? reference : `${reference}:latest`
}

export function findLocal(images: MemoryImages, reference: string): MemoryImage | undefined {
  const wanted = fullReference(reference)
  const byName = images.local.get(wanted)
  if (byName !== undefined) return byName
  return [...images.local.values()].find(
    image => image.info.id === reference || image.info.digests.includes(reference),
  )
}

export function noSuchImage(reference: string): Failure {
  return new Failure('not_found', `No such image: ${reference}`)
}

/** An imported root has no program of its own: its containers run `steps`. */
export function importedImage(
  reference: string,
  sizeBytes: number,
  changes: string[],
): MemoryImage {
  const info: Partial<ImageInfo> = { sizeBytes, digests: [] }
  for (const change of changes) {
    const [, instruction = '', rest = ''] = /^(\w+)\s+(.*)$/s.exec(change) ?? []
    const words = () => (rest.startsWith('[') ? (JSON.parse(rest) as string[]) : rest.split(' '))
    switch (instruction.toUpperCase()) {
      case 'CMD':
        info.command = words()
        break
      case 'ENTRYPOINT':
        info.entrypoint = words()
        break
      case 'ENV':
        info.env = [...(info.env ?? []), rest]
        break
      case 'WORKDIR':
        info.workingDir = rest
        break
      case 'USER':
        info.user = rest
        break
      case 'EXPOSE':
        info.exposedPorts = [
          ...(info.exposedPorts ?? []),
          rest.includes('/') ? rest : `${rest}/tcp`,
        ]
        break
      default:
        throw new Failure('invalid', `unknown instruction: ${change}`)
    }
  }
  return memoryImage(reference, steps, info)
}
