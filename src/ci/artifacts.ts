/** Artifacts on their way from and to runners. */
import { gunzip } from 'node:zlib'
import { Failure, sha256 } from '../lib/index.ts'
import type { ArtifactUpload } from '../protocol/index.ts'
import { type Core, holdsRunner } from './core.ts'
import { parseDuration } from './duration.ts'
import type { HeldJob } from './ports.ts'
import { parseDotenv } from './reports.ts'

export interface ArtifactDesk {
  /** Throws `Failure('invalid' | 'too_large' | 'unavailable')`. */
  upload(job: HeldJob, upload: ArtifactUpload): Promise<void>
  /** Throws `Failure('forbidden' | 'not_found')`. */
  download(
    jobId: number,
    token: string,
  ): Promise<{ filename: string; size: number; body: AsyncIterable<Uint8Array> }>
  /** Removes what is past its time. */
  expire(): Promise<void>
  /** Removes content that nobody refers to any more. */
  forget(digests: readonly string[]): Promise<void>
}

const expirePerRound = 500

/** Keeps and gives out artifacts. */
export function createArtifactDesk(core: Core): ArtifactDesk {
  const { mutex } = core
  const desk: ArtifactDesk = {
    async upload(job, upload) {
      checkKind(upload)
      const { artifact_type: type, artifact_format: format } = upload
      const body = limited(upload.body, core.limits.maxArtifactBytes)
      const dotenv = type === 'dotenv' ? await readDotenv(core, body) : undefined
      const content = dotenv ? once(dotenv.bytes) : body
      const { digest, sizeBytes } = await core.artifacts.write(content)
      const lifetime = lifetimeMs(upload.expire_in, core.limits.artifactLifetimeMs)
      const file = {
        type,
        format,
        filename: safeName(upload.filename),
        digest,
        sizeBytes,
        expireAt: lifetime === undefined ? undefined : core.clock.now() + lifetime,
      }
      const isKept = await mutex.run('artifacts', async () => {
        // Content that another job shared may have been removed since it was written.
        if (!(await core.artifacts.has(digest))) throw lost()
        return core.store.addArtifact(job.id, file, dotenv?.variables)
      })
      if (isKept) return
      await desk.forget([digest])
      throw new Failure('invalid', 'another artifact of the same type already exists')
    },

    async download(jobId, token) {
      const asking = await core.store.jobByTokenHash(sha256(token))
      if (!asking || !holdsRunner(asking.status)) {
        throw new Failure('forbidden', 'The token is not that of a running job')
      }
      const job = await core.store.job(jobId)
      if (job?.pipelineId !== asking.pipelineId) {
        throw new Failure('forbidden', 'That job is not of the same pipeline')
      }
      const archive = job.artifacts.find(file => file.type === 'archive')
      if (!archive) throw new Failure('not_found', 'The job has no artifacts')
      const body = await core.artifacts.read(archive.digest)
      return { filename: archive.filename, size: archive.sizeBytes, body }
    },

    async expire() {
      const digests = await core.store.expireArtifacts(core.clock.now(), expirePerRound)
      await desk.forget(digests)
    },

    forget: digests =>
      mutex.run('artifacts', async () => {
        for (const digest of digests) {
          if (!(await core.store.isArtifactKnown(digest))) await core.artifacts.delete(digest)
        }
      }),
  }
  return desk
}

/** Undefined: for ever. Text that isn't a duration counts as absent. */
function lifetimeMs(text: string | undefined, absentMs: number): number | undefined {
  if (text?.trim().toLowerCase() === 'never') return undefined
  const seconds = text === undefined ? undefined : parseDuration(text)
  return seconds === undefined ? absentMs : seconds * 1000
}

function lost(): Failure {
  return new Failure('unavailable', 'The upload was lost', { hint: 'Upload it again.' })
}

function checkKind(upload: ArtifactUpload): void {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(upload.artifact_type)) {
    throw new Failure('invalid', 'artifact_type does not have a valid value')
  }
  if (!['zip', 'gzip', 'raw'].includes(upload.artifact_format)) {
    throw new Failure('invalid', 'artifact_format does not have a valid value')
  }
}

/** The last part of the path, without what a header or a file system could trip over. */
function safeName(filename: string): string {
  const base = filename
    .split(/[/\\]/)
    .pop()!
    .replace(/[\u0000-\u001f\u007f"]/g, '')
  return base === '' || base === '.' || base === '..' ? 'artifacts' : base.slice(0, 255)
}

async function* limited(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncIterable<Uint8Array> {
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > maxBytes) {
      throw new Failure('too_large', `The artifact is larger than ${maxBytes} bytes`, {
        hint: 'Keep fewer files in artifacts:paths.',
      })
    }
    yield chunk
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

async function readDotenv(core: Core, body: AsyncIterable<Uint8Array>) {
  const { maxDotenvBytes, maxDotenvVariables } = core.limits
  const chunks: Uint8Array[] = []
  // Compressed, it may be a little larger than its text, never by this much.
  for await (const chunk of limited(body, maxDotenvBytes + 4096)) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  const text = await unzip(bytes, maxDotenvBytes)
  const parsed = parseDotenv(text, maxDotenvVariables)
  if ('problem' in parsed) {
    throw new Failure('invalid', parsed.problem, {
      hint: 'Each line of a dotenv report is KEY=VALUE: no comments, no empty lines.',
    })
  }
  return { bytes, variables: parsed.variables }
}

function unzip(bytes: Uint8Array, maxOutputLength: number): Promise<string> {
  return new Promise((resolve, reject) => {
    gunzip(bytes, { maxOutputLength }, (error, text) => {
      if (!error) return resolve(text.toString('utf8'))
      const isTooLarge = 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
      reject(
        isTooLarge
          ? new Failure(
              'invalid',
              `Dotenv Artifact Too Big. Maximum Allowable Size: ${maxOutputLength}`,
            )
          : new Failure('invalid', 'The dotenv report is not gzip'),
      )
    })
  })
}
