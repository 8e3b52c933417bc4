import type { IncomingMessage, ServerResponse } from 'node:http'
import { Failure, type Logger, messageOf } from '../lib/index.ts'
import type { PushBook, PushedBy } from './accept-push.ts'
import { changes } from './accept-push.ts'
import { bodyOf, idleTimer, send } from './body.ts'
import type { RefUpdate } from './index.ts'
import { fatal, flush, keepAlive, PacketReader, progress } from './pkt-line.ts'
import type { GitProcess, GitProgram } from './program.ts'
import { type PushRequest, readPushRequest } from './push-request.ts'
import { refProblem } from './ref-name.ts'
import { acceptedRefs, hasSideBand, refusal } from './report.ts'
import type { Repositories } from './repositories.ts'
import { noCache, write } from './upload-pack.ts'

const idleMs = 10 * 60_000
const keepAliveMs = 5000
const maxReportBytes = 8 * 1024 * 1024

export interface ReceiveParts {
  program: GitProgram
  repositories: Repositories
  book: PushBook
  maxPackBytes: number
  log: Logger
}

/** Whom and what a push is for; asked once the commands are known, since it may make the project. */
export type Target = (updates: readonly RefUpdate[]) => Promise<PushedBy & { created: boolean }>

/**
 * Answers a push. git checks and takes the pack, and moves the refs; its report is held back until `onPush` has ended, whose lines come before it. When the client goes
 * away after git has everything, the push still counts.
 */
export async function receivePack(
  parts: ReceiveParts,
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
): Promise<void> {
  const push = await readPushRequest(bodyOf(request))
  response.writeHead(200, { ...noCache, 'content-type': 'application/x-git-receive-pack-result' })
  if (push.updates.length === 0) {
    // git asks so whether it is welcome before it sends a large pack
    response.end()
    return
  }
  const refused = refusalOf(push)
  if (refused !== undefined) {
    await drain(push.rest, parts.maxPackBytes)
    response.end(refused)
    return
  }
  let by: Awaited<ReturnType<Target>>
  try {
    by = await target(push.updates)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    await drain(push.rest, parts.maxPackBytes)
    response.end(stopped(push, error))
    return
  }
  await take(parts, push, by, response)
}

async function take(
  { program, repositories, book, maxPackBytes, log }: ReceiveParts,
  push: PushRequest,
  by: PushedBy & { created: boolean },
  response: ServerResponse,
): Promise<void> {
  const { project, user, created } = by
  const directory = await repositories.ensure(project.id, project.defaultBranch)
  const { updates, options } = push
  const intent = await book.begin({
    projectId: project.id,
    userId: user.id,
    updates,
    options,
    created,
  })
  const limit = { 'receive.maxInputSize': String(maxPackBytes) }
  const git = program.spawn(['receive-pack', '--stateless-rpc', directory], {}, limit)
  const idle = idleTimer(idleMs, () => git.child.kill('SIGTERM'))
  const held: Buffer[] = []
  try {
    const [, report] = await Promise.all([
      feed(push, git, maxPackBytes, idle.touch),
      relay(git, hasSideBand(push.capabilities), response, held, idle.touch),
    ])
    const { exitCode, errors } = await git.ended
    if (exitCode !== 0)
      log.warn({ project: project.fullPath, exitCode, errors }, 'git receive-pack failed')
    const accepted = acceptedRefs(report)
    const changed =
      accepted === undefined
        ? await book.inPlace(project.id, updates)
        : changes(updates).filter(one => accepted.has(one.ref))
    const lines = await keptAlive(book.finish(intent, changed, by), push, response)
    if (hasSideBand(push.capabilities)) await send(response, Buffer.concat(lines.map(progress)))
    for (const bytes of held) await send(response, bytes)
    response.end()
  } finally {
    idle.stop()
    git.child.kill('SIGTERM')
  }
}

/** Gives git everything the client sends. A client that goes away in the middle leaves git with a pack that is cut off, which it refuses. */
async function feed(
  push: PushRequest,
  { child }: GitProcess,
  maxPackBytes: number,
  touch: () => void,
): Promise<void> {
  await write(child.stdin, push.head)
  try {
    for (let size = 0; ; ) {
      const next = await push.rest.next()
      if (next.done) break
      touch()
      size += next.value.length
      // git ends with its own words before this; what is still coming is read, so that the client gets to read them
      if (size > maxPackBytes * 2) throw new Failure('too_large', 'The pack is too large.')
      if (child.stdin.writable) await write(child.stdin, next.value)
    }
  } catch {
    child.stdin.destroy()
    return
  }
  child.stdin.end()
}

/** Passes git's progress on at once; holds its report, and the end, back. Returns the report. */
async function relay(
  { child }: GitProcess,
  sideBand: boolean,
  response: ServerResponse,
  held: Buffer[],
  touch: () => void,
): Promise<Buffer> {
  const reader = new PacketReader()
  const report: Buffer[] = []
  let size = 0
  const keep = (raw: Buffer, payload: Buffer) => {
    held.push(raw)
    report.push(payload)
    size += raw.length
    if (size > maxReportBytes) throw new Failure('too_large', "git's report is too large.")
  }
  for await (const bytes of child.stdout) {
    touch()
    if (!sideBand) {
      keep(bytes, bytes)
      continue
    }
    reader.add(bytes)
    for (let one = reader.next(); one !== undefined; one = reader.next()) {
      if (one.isFlush) held.push(one.raw)
      else if (one.payload[0] === 1) keep(one.raw, one.payload.subarray(1))
      else await send(response, one.raw)
    }
  }
  return Buffer.concat(report)
}

async function keptAlive<T>(
  work: Promise<T>,
  push: PushRequest,
  response: ServerResponse,
): Promise<T> {
  const timer = setInterval(() => {
    if (hasSideBand(push.capabilities) && !response.destroyed) response.write(keepAlive)
  }, keepAliveMs)
  try {
    return await work
  } finally {
    clearInterval(timer)
  }
}

/** A bad name refuses the whole push: git's own checks are less strict. */
function refusalOf(push: PushRequest): Buffer | undefined {
  const problems = new Map(push.updates.map(update => [update, refProblem(update.ref)] as const))
  if ([...problems.values()].every(one => one === undefined)) return undefined
  return refusal(
    push.updates,
    update => {
      const problem = problems.get(update)
      return problem === undefined ? 'another ref of this push was refused' : `the name ${problem}`
    },
    push.capabilities,
  )
}

function stopped(push: PushRequest, failure: Failure): Buffer {
  const message = [failure.message, ...(failure.hint === undefined ? [] : [failure.hint])].join(' ')
  if (hasSideBand(push.capabilities)) return Buffer.concat([fatal(message), flush])
  return refusal(push.updates, () => messageOf(failure), push.capabilities)
}

/** Reads what a client still sends, since it doesn't look at the answer before it has sent everything. */
async function drain(rest: AsyncIterator<Uint8Array>, maxBytes: number): Promise<void> {
  let size = 0
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    size += next.value.length
    if (size > maxBytes) throw new Failure('too_large', 'The pack is too large.')
  }
}
