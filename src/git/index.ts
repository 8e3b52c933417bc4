/**
 * Git hosting: bare repositories served by the git program over smart HTTP, and read for everyone else.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Project, User } from '../accounts/index.ts'

export { createGit, type GitOptions } from './git.ts'
export type { GitStore, PushIntent } from './ports.ts'

export interface RefUpdate {
  /** `refs/heads/master`, `refs/tags/v1`. */
  ref: string
  /** 40 zeros: the ref was made, or deleted. */
  before: string
  after: string
}

export interface Push {
  project: Project
  user: User
  updates: RefUpdate[]
  /** `git push -o ci.skip`. */
  options: string[]
  /** The project was made by this push. */
  created: boolean
}

export interface Commit {
  sha: string
  parents: string[]
  title: string
  message: string
  authorName: string
  authorEmail: string
  authoredAt: number
  committerName: string
  committerEmail: string
  committedAt: number
}

export interface Branch {
  name: string
  commit: Commit
}

export interface TreeEntry {
  name: string
  path: string
  mode: string
  type: 'blob' | 'tree' | 'commit'
  sha: string
}

export interface Git {
  /**
   * Answers `/{path}.git/…` (info/refs, git-upload-pack, git-receive-pack); returns false, untouched, for any other URL.
   * A push into a project that isn't there makes it when the user may. `onPush` runs after the refs are in place and before the client is told; its
   * lines show as `remote: …`. A push whose `onPush` didn't end (crash) is told again at the next start.
   */
  handle(request: IncomingMessage, response: ServerResponse): Promise<boolean>
  /** Pushes that were accepted while `onPush` didn't end; call once after start. */
  recover(): Promise<void>

  /** Idempotent. */
  ensureRepository(projectId: number): Promise<void>
  deleteRepository(projectId: number): Promise<void>
  /** The commit that a branch, tag, full ref or SHA (or the beginning of one) stands for, with `~2` or `^` behind if wanted. A branch wins over a tag of its name. */
  resolve(projectId: number, revision: string): Promise<string | undefined>
  commit(projectId: number, revision: string): Promise<Commit | undefined>
  log(
    projectId: number,
    revision: string,
    options: { limit: number; skip?: number; path?: string },
  ): Promise<Commit[]>
  branches(projectId: number): Promise<Branch[]>
  tags(projectId: number): Promise<Branch[]>
  /** Makes the branch and runs `onPush` as a push would. Throws `Failure('conflict' | 'not_found' | 'invalid')`. */
  createBranch(project: Project, user: User, name: string, revision: string): Promise<Branch>
  deleteBranch(project: Project, user: User, name: string): Promise<void>
  /** Undefined: no such path. Throws `Failure('too_large')` over `maxBytes` (default 10 MiB). */
  readFile(
    projectId: number,
    revision: string,
    path: string,
    maxBytes?: number,
  ): Promise<Uint8Array | undefined>
  /** Undefined: no such folder. `''` is the root. */
  tree(
    projectId: number,
    revision: string,
    path: string,
    recursive?: boolean,
  ): Promise<TreeEntry[] | undefined>
  /** Paths that differ between two commits; against the empty tree when `before` is 40 zeros. Throws `Failure('not_found')` for a commit that isn't there. */
  changedPaths(projectId: number, before: string, after: string): Promise<string[]>
  /** Keeps `sha` fetchable as `ref` (`refs/pipelines/7`) after its branch has moved. */
  keepRef(projectId: number, ref: string, sha: string): Promise<void>
  /** Undoes `keepRef`. Idempotent. */
  dropRef(projectId: number, ref: string): Promise<void>

  /** Ends the git programs that run, and waits for the answers under way. A push whose refs are in place is still told to `onPush`. */
  close(): Promise<void>
}
