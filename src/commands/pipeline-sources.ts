import type { Accounts, Project, User } from '../accounts/index.ts'
import type { CommitFacts, Sources } from '../ci/index.ts'
import type { Git } from '../git/index.ts'
import { Failure } from '../lib/index.ts'

/** Files over this size are no pipeline files. */
const maxFileBytes = 1024 * 1024

/** The repositories as pipelines see them. What a user may not read isn't there for their includes either. */
export function pipelineSources(git: Git, accounts: Accounts): Sources {
  const treeOf = (projectId: number, sha: string) => ({
    read: (path: string) => readText(git, projectId, sha, path),
    paths: async () => {
      const entries = (await git.tree(projectId, sha, '', true)) ?? []
      return entries.filter(entry => entry.type === 'blob').map(entry => entry.path)
    },
  })
  return {
    reader: (project, user, sha) => ({
      ...treeOf(project.id, sha),
      project: (path, ref) => otherProject(git, accounts, user, path, ref, treeOf),
      remote: async () => ({
        reason: 'this Slipway does not fetch remote files yet; include a file of a project instead',
      }),
      template: async () => undefined,
    }),
    async commit(projectId, sha): Promise<CommitFacts | undefined> {
      const commit = await git.commit(projectId, sha)
      if (commit === undefined) return undefined
      const { title, message, authorName, authorEmail } = commit
      return {
        title,
        message,
        authorName,
        authorEmail,
        timestamp: new Date(commit.committedAt).toISOString(),
      }
    },
    changedPaths: (projectId, before, after) => git.changedPaths(projectId, before, after),
    async changedSince(projectId, revision, sha) {
      const since = await git.resolve(projectId, revision)
      return since === undefined ? undefined : git.changedPaths(projectId, since, sha)
    },
    keep: (projectId, pipelineId, sha) =>
      git.keepRef(projectId, `refs/pipelines/${pipelineId}`, sha),
    release: (projectId, pipelineId) => git.dropRef(projectId, `refs/pipelines/${pipelineId}`),
  }
}

async function otherProject<T extends object>(
  git: Git,
  accounts: Accounts,
  user: User,
  path: string,
  ref: string | undefined,
  treeOf: (projectId: number, sha: string) => T,
) {
  const project: Project | undefined = await accounts.project(path)
  const actor = { kind: 'user', user, scopes: ['api'] } as const
  const mayRead =
    project !== undefined &&
    (await accounts.may(actor, 'project:read', { kind: 'project', project }))
  if (project === undefined || !mayRead) return 'no_project' as const
  const sha = await git.resolve(project.id, ref ?? project.defaultBranch)
  if (sha === undefined) return 'no_ref' as const
  const tags = async () => (await git.tags(project.id)).map(tag => tag.name)
  return { sha, tags, ...treeOf(project.id, sha) }
}

async function readText(
  git: Git,
  projectId: number,
  sha: string,
  path: string,
): Promise<string | undefined> {
  try {
    const bytes = await git.readFile(projectId, sha, path, maxFileBytes)
    return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')
  } catch (error) {
    if (error instanceof Failure && error.code === 'not_found') return undefined
    throw error
  }
}
