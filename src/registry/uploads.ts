import { Failure, uuid } from '../lib/index.ts'
import { link, linkPublicBlob } from './blobs.ts'
import { RegistryError } from './errors.ts'
import { type Exchange, type Parts, userIdOf } from './exchange.ts'
import { bodyOf, sendEmpty } from './http.ts'
import { checkName } from './names.ts'
import { checkDigest } from './routes.ts'
import { shownName, storedName } from './views.ts'

/** Uploads that a request is writing to right now: a second writer is refused, not queued. */
export type BusyUploads = Set<string>

type UploadParts = Parts & { busy: BusyUploads }

/** POST of `/v2/{name}/blobs/uploads/`: a session, a mount, or the whole blob at once. */
export async function startUpload(
  parts: UploadParts,
  exchange: Exchange,
  repository: string,
): Promise<void> {
  if (exchange.method !== 'POST') throw wrongMethod(exchange.method, 'POST')
  await exchange.require('push', repository)
  const mount = exchange.query.get('mount')
  if (mount !== null && (await mountBlob(parts, exchange, repository, checkDigest(mount)))) return
  const whole = exchange.query.get('digest')
  const digest = whole === null ? undefined : checkDigest(whole)
  const id = uuid(parts.random)
  await parts.blobs.createUpload(id)
  const startedAt = parts.clock.now()
  await parts.store.saveUpload({ id, repository, userId: userIdOf(exchange), startedAt })
  if (digest === undefined) return sendProgress(exchange, repository, id, 0)
  await write(parts, exchange, repository, id)
  await finish(parts, exchange, repository, id, digest)
}

/** Answers 201 when the blob is where the pusher may read it. Any other case goes on as a plain upload and tells nothing. */
async function mountBlob(
  parts: Parts,
  exchange: Exchange,
  repository: string,
  digest: string,
): Promise<boolean> {
  const from = exchange.query.get('from')
  const source = from === null ? undefined : storedName(exchange.view, from)
  const linked =
    source !== undefined && (await isReadable(parts, exchange, source, digest))
      ? await link(parts, repository, digest)
      : await linkPublicBlob(parts, repository, digest)
  if (linked === undefined) return false
  sendCreated(exchange, repository, digest)
  return true
}

async function isReadable(
  parts: Parts,
  exchange: Exchange,
  source: string,
  digest: string,
): Promise<boolean> {
  checkName(source)
  if (!(await exchange.may('pull', source))) return false
  return (await parts.store.linkedBlob(source, digest)) !== undefined
}

/** GET, PATCH, PUT and DELETE of an upload session. */
export async function serveUpload(
  parts: UploadParts,
  exchange: Exchange,
  repository: string,
  id: string,
): Promise<void> {
  await exchange.require('push', repository)
  const upload = await parts.store.upload(id)
  const isOurs = upload?.repository === repository && upload.userId === userIdOf(exchange)
  const sizeBytes = isOurs ? await parts.blobs.uploadSize(id) : undefined
  if (sizeBytes === undefined) throw uploadUnknown()
  switch (exchange.method) {
    case 'GET':
    case 'HEAD':
      return sendEmpty(exchange.response, 204, progressHeaders(exchange, repository, id, sizeBytes))
    case 'PATCH': {
      const size = await write(parts, exchange, repository, id)
      return sendProgress(exchange, repository, id, size)
    }
    case 'PUT': {
      const digest = checkDigest(exchange.query.get('digest') ?? '')
      await write(parts, exchange, repository, id)
      return await finish(parts, exchange, repository, id, digest)
    }
    case 'DELETE':
      await drop(parts, id)
      return sendEmpty(exchange.response, 204, {})
    default:
      throw wrongMethod(exchange.method, 'GET, PATCH, PUT, DELETE')
  }
}

/** Appends the request's body, if its range fits, and returns the new size. */
async function write(
  parts: UploadParts,
  exchange: Exchange,
  repository: string,
  id: string,
): Promise<number> {
  if (parts.busy.has(id))
    throw await refuseRange(parts, exchange, repository, id, 'another request is writing')
  parts.busy.add(id)
  try {
    const sizeBytes = await parts.blobs.uploadSize(id)
    if (!fits(exchange, sizeBytes ?? 0))
      throw await refuseRange(parts, exchange, repository, id, 'the range does not fit')
    return await parts.blobs.appendUpload(id, bodyOf(exchange.request))
  } catch (error) {
    // What can't be finished gives its space back at once.
    if (isDiskFull(error)) await drop(parts, id)
    throw error
  } finally {
    parts.busy.delete(id)
  }
}

async function finish(
  parts: UploadParts,
  exchange: Exchange,
  repository: string,
  id: string,
  digest: string,
): Promise<void> {
  await parts.turns.run(digest, async () => {
    const { sizeBytes } = await commit(parts, id, digest)
    await parts.store.linkBlob({ repository, digest, sizeBytes, linkedAt: parts.clock.now() })
  })
  await parts.store.deleteUpload(id)
  sendCreated(exchange, repository, digest)
}

async function commit(parts: UploadParts, id: string, digest: string) {
  try {
    return await parts.blobs.commitUpload(id, digest)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    if (error.code === 'invalid') await drop(parts, id)
    if (error.code === 'not_found') throw uploadUnknown()
    throw error
  }
}

async function drop(parts: UploadParts, id: string): Promise<void> {
  await parts.blobs.abortUpload(id)
  await parts.store.deleteUpload(id)
}

/** `Content-Range: 0-99` must begin where the upload ends, and be as long as the body says it is. */
function fits({ request }: Exchange, sizeBytes: number): boolean {
  const header = request.headers['content-range']
  if (header === undefined) return true
  const match = /^(?:bytes[ =])?(\d+)-(\d+)(?:\/.*)?$/.exec(header)
  if (!match || Number(match[1]) !== sizeBytes) return false
  const length = request.headers['content-length']
  return length === undefined || Number(length) === Number(match[2]) - sizeBytes + 1
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Failure && error.details?.['reason'] === 'disk_full'
}

function uploadUnknown(): RegistryError {
  return new RegistryError('BLOB_UPLOAD_UNKNOWN', 'no such upload: start a new one')
}

async function refuseRange(
  parts: UploadParts,
  exchange: Exchange,
  repository: string,
  id: string,
  reason: string,
): Promise<RegistryError> {
  const sizeBytes = (await parts.blobs.uploadSize(id)) ?? 0
  return new RegistryError('BLOB_UPLOAD_INVALID', `${reason}: go on at byte ${sizeBytes}`, {
    status: 416,
    headers: progressHeaders(exchange, repository, id, sizeBytes),
  })
}

function wrongMethod(method: string, allow: string): RegistryError {
  return new RegistryError('UNSUPPORTED', `${method} is not for uploads`, { headers: { allow } })
}

function progressHeaders(
  { view }: Exchange,
  repository: string,
  id: string,
  sizeBytes: number,
): Record<string, string> {
  return {
    location: `/v2/${shownName(view, repository)}/blobs/uploads/${id}`,
    range: `0-${Math.max(0, sizeBytes - 1)}`,
    'docker-upload-uuid': id,
  }
}

function sendProgress(exchange: Exchange, repository: string, id: string, sizeBytes: number): void {
  sendEmpty(exchange.response, 202, progressHeaders(exchange, repository, id, sizeBytes))
}

function sendCreated(exchange: Exchange, repository: string, digest: string): void {
  sendEmpty(exchange.response, 201, {
    location: `/v2/${shownName(exchange.view, repository)}/blobs/${digest}`,
    'docker-content-digest': digest,
  })
}
