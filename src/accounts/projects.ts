import { type Clock, Failure } from '../lib/index.ts'
import type { Accounts, Actor, Namespace, Project, Resource, User } from './index.ts'
import { type AccessLevel, accessLevels } from './levels.ts'
import { decide, type Standing } from './may.ts'
import { branchProblem, check, nameProblem, pathProblem, pathSegments } from './names.ts'
import type { AccountStore } from './ports.ts'

const maxDescriptionLength = 2000

type Projects = Pick<
  Accounts,
  | 'may'
  | 'ensureNamespace'
  | 'namespace'
  | 'namespaces'
  | 'createProject'
  | 'project'
  | 'projects'
  | 'updateProject'
  | 'deleteProject'
  | 'members'
  | 'setMember'
>

export function createProjects(parts: { store: AccountStore; clock: Clock }): Projects {
  const { store, clock } = parts
  return {
    may: async (actor, action, resource) =>
      decide(actor, action, await standing(store, actor, resource)),
    ensureNamespace: (fullPath, creator) => ensureNamespace(store, clock, fullPath, creator),
    namespace: key =>
      typeof key === 'number' ? store.namespaceById(key) : store.namespaceByPath(key),
    namespaces: () => store.namespaces(),
    async createProject(project) {
      const { namespace, path, creator } = project
      const name = project.name ?? path
      const description = project.description ?? ''
      const defaultBranch = project.defaultBranch ?? 'main'
      check('project', {
        path: pathProblem(path),
        name: nameProblem(name),
        description: descriptionProblem(description),
        default_branch: branchProblem(defaultBranch),
      })
      const now = clock.now()
      const made = await store.insertProject({
        namespaceId: namespace.id,
        name,
        path,
        description,
        visibility: project.visibility ?? 'private',
        defaultBranch,
        creatorId: creator.id,
        createdAt: now,
        updatedAt: now,
      })
      if (made) return made
      throw new Failure('conflict', `${namespace.fullPath}/${path} exists already.`, {
        details: { path: ['has already been taken'] },
      })
    },
    project: key => (typeof key === 'number' ? store.projectById(key) : store.projectByPath(key)),
    projects: actor => readableProjects(store, actor),
    async updateProject(id, change) {
      check('project', {
        name: change.name === undefined ? undefined : nameProblem(change.name),
        description: descriptionProblem(change.description ?? ''),
        default_branch:
          change.defaultBranch === undefined ? undefined : branchProblem(change.defaultBranch),
      })
      const changed = await store.updateProject(id, change, clock.now())
      if (changed === undefined) throw new Failure('not_found', 'There is no such project.')
      return changed
    },
    deleteProject: id => store.deleteProject(id),
    members: projectId => store.members(projectId),
    setMember: (projectId, userId, level) => store.setMember(projectId, userId, level),
  }
}

function descriptionProblem(description: string): string | undefined {
  if (description.length <= maxDescriptionLength) return undefined
  return `is too long (maximum is ${maxDescriptionLength} characters)`
}

async function standing(store: AccountStore, actor: Actor, resource: Resource): Promise<Standing> {
  const userId = actor.kind === 'anonymous' ? undefined : actor.user.id
  switch (resource.kind) {
    case 'instance':
    case 'mirror':
      return resource
    case 'namespace':
      return { kind: 'namespace', owned: await owns(store, userId, resource.namespace) }
    case 'project':
      return projectStanding(resource.project, await levelOf(store, userId, resource.project))
    case 'app': {
      if (userId === resource.ownerId) return { kind: 'app', role: 'owner' }
      const invited = userId !== undefined && resource.collaboratorIds.includes(userId)
      return { kind: 'app', role: invited ? 'collaborator' : 'stranger' }
    }
  }
}

function projectStanding(project: Project, level: AccessLevel | 0): Standing {
  return { kind: 'project', projectId: project.id, visibility: project.visibility, level }
}

async function levelOf(
  store: AccountStore,
  userId: number | undefined,
  project: Project,
): Promise<AccessLevel | 0> {
  if (userId === undefined) return 0
  const namespace = await store.namespaceById(project.namespaceId)
  if (namespace && (await owns(store, userId, namespace))) return accessLevels.owner
  return (await store.memberLevel(project.id, userId)) ?? 0
}

/** Whoever owns a group owns what is below it. */
async function owns(
  store: AccountStore,
  userId: number | undefined,
  namespace: Namespace,
): Promise<boolean> {
  if (userId === undefined) return false
  let at: Namespace | undefined = namespace
  while (at) {
    if (at.ownerId === userId) return true
    at = at.parentId === undefined ? undefined : await store.namespaceById(at.parentId)
  }
  return false
}

async function readableProjects(store: AccountStore, actor: Actor): Promise<Project[]> {
  const userId = actor.kind === 'anonymous' ? undefined : actor.user.id
  const projects = await store.projects()
  const owned = await ownedNamespaces(store, userId)
  const levels = userId === undefined ? new Map() : await store.memberships(userId)
  return projects.filter(project => {
    const level = owned.has(project.namespaceId) ? accessLevels.owner : levels.get(project.id)
    return decide(actor, 'project:read', projectStanding(project, level ?? 0))
  })
}

async function ownedNamespaces(
  store: AccountStore,
  userId: number | undefined,
): Promise<Set<number>> {
  const owned = new Set<number>()
  if (userId === undefined) return owned
  const all = await store.namespaces()
  // Parents come before their children: ids only grow.
  for (const one of all.toSorted((a, b) => a.id - b.id))
    if (one.ownerId === userId || (one.parentId !== undefined && owned.has(one.parentId)))
      owned.add(one.id)
  return owned
}

async function ensureNamespace(
  store: AccountStore,
  clock: Clock,
  fullPath: string,
  creator: User,
): Promise<Namespace> {
  const found = await store.namespaceByPath(fullPath)
  if (found) return found
  let parent: Namespace | undefined
  for (const segment of pathSegments(fullPath)) {
    const path: string = parent ? `${parent.fullPath}/${segment}` : segment
    const there = await store.namespaceByPath(path)
    parent = there ?? (await createGroup(store, clock, path, segment, parent, creator))
  }
  return parent!
}

async function createGroup(
  store: AccountStore,
  clock: Clock,
  fullPath: string,
  name: string,
  parent: Namespace | undefined,
  creator: User,
): Promise<Namespace> {
  if (parent?.kind === 'user')
    throw new Failure('invalid', `${parent.fullPath} is a user: it can't have groups inside.`, {
      details: { parent_id: ['is a user namespace'] },
    })
  const allowed =
    creator.state === 'active' &&
    (parent === undefined || creator.admin || (await owns(store, creator.id, parent)))
  if (!allowed)
    throw new Failure('forbidden', `You may not create groups in ${parent?.fullPath ?? '/'}.`)
  const createdAt = clock.now()
  const group = { kind: 'group' as const, name, fullPath, ownerId: creator.id, createdAt }
  const made = await store.insertNamespace({ ...group, parentId: parent?.id })
  // Two at once: the other one's is as good.
  const namespace = made ?? (await store.namespaceByPath(fullPath))
  if (namespace) return namespace
  throw new Failure('conflict', `${fullPath} is taken.`)
}
