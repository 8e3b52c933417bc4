import type { CompileContext, ProjectTree } from '../context.ts'
import type { ChangesEntry, ConditionEntry, ExistsEntry } from '../entries/rules.ts'
import { evaluate } from '../expression/evaluate.ts'
import type { Pattern } from '../expression/regex.ts'
import { globMatcher } from './glob.ts'
import type { VariableScope } from './variables.ts'

/** What a clause came to, and why in words. `problem`: it can't be decided. */
export interface ClauseResult {
  holds: boolean
  detail: string
  problem?: string
}

const maxComparisons = 50_000

/** Answers questions of rules about the event: each is asked of the outside world once. */
export interface World {
  condition(entry: ConditionEntry, scope: VariableScope): ClauseResult
  changes(entry: ChangesEntry, scope: VariableScope): Promise<ClauseResult>
  exists(entry: ExistsEntry, scope: VariableScope): Promise<ClauseResult>
}

/** The world as the context describes it. */
export function worldOf(
  context: CompileContext,
  pattern: (source: string) => Pattern | undefined,
): World {
  const asked = new Map<string | undefined, ReturnType<NonNullable<CompileContext['changes']>>>()
  const changed = (compareTo?: string) => {
    const before = asked.get(compareTo)
    if (before) return before
    const answer = context.changes?.(compareTo) ?? Promise.resolve(undefined)
    asked.set(compareTo, answer)
    return answer
  }
  return {
    condition(entry, scope) {
      const result = evaluate(entry.expression, entry.text, {
        variable(name) {
          const value = scope.value(name)
          return value === undefined ? undefined : { value, masked: scope.get(name)!.masked }
        },
        pattern,
      })
      const detail = result.steps.map(step => `${step.text} → ${step.value}`).join('; ')
      return { holds: result.holds, detail }
    },
    changes: (entry, scope) => changesClause(entry, scope, changed, pattern),
    exists: (entry, scope) => existsClause(entry, scope, context, pattern),
  }
}

async function changesClause(
  entry: ChangesEntry,
  scope: VariableScope,
  changed: (compareTo?: string) => Promise<string[] | undefined | 'unknown_ref'>,
  pattern: (source: string) => Pattern | undefined,
): Promise<ClauseResult> {
  const compareTo =
    entry.compareTo === undefined ? undefined : scope.expand(entry.compareTo, 'keep')
  const paths = await changed(compareTo)
  if (paths === 'unknown_ref') {
    const problem = 'rules:changes:compare_to is not a valid ref'
    return { holds: false, detail: problem, problem }
  }
  if (paths === undefined) {
    return {
      holds: true,
      detail: 'nothing to compare with (new branch, tag, schedule …): changes hold',
    }
  }
  if (paths.length === 0) return { holds: false, detail: 'no file changed' }
  return matchPaths(entry, scope, paths, pattern, 'changed')
}

async function existsClause(
  entry: ExistsEntry,
  scope: VariableScope,
  context: CompileContext,
  pattern: (source: string) => Pattern | undefined,
): Promise<ClauseResult> {
  if (entry.paths.length === 0 && entry.regexp === undefined) {
    return { holds: false, detail: 'no path is given' }
  }
  const tree = await treeOf(entry, scope, context)
  if (typeof tree === 'string') return { holds: false, detail: tree, problem: tree }
  const paths = await tree.paths()
  const globs = entry.paths.map(glob => scope.expand(glob, 'keep'))
  const exact = globs.find(glob => isExact(glob) && matchesExactly(glob, paths))
  if (exact !== undefined) return { holds: true, detail: `${exact} exists` }
  const inexact = { ...entry, paths: globs.filter(glob => !isExact(glob)) }
  if (inexact.paths.length === 0 && entry.regexp === undefined) {
    return { holds: false, detail: `${globs.join(', ')}: not there` }
  }
  return matchPaths(inexact, scope, paths, pattern, 'exists')
}

function isExact(glob: string): boolean {
  return !/[*?[{]/.test(glob)
}

function matchesExactly(glob: string, paths: readonly string[]): boolean {
  return glob.endsWith('/') ? paths.some(path => path.startsWith(glob)) : paths.includes(glob)
}

async function treeOf(
  entry: ExistsEntry,
  scope: VariableScope,
  context: CompileContext,
): Promise<Pick<ProjectTree, 'paths'> | string> {
  if (!context.reader) return 'rules:exists needs the repository, which is not at hand here'
  if (entry.project === undefined) return context.reader
  const path = scope.expand(entry.project, 'keep')
  const ref = entry.ref === undefined ? undefined : scope.expand(entry.ref, 'keep')
  const tree = await context.reader.project(path, ref)
  if (tree === 'no_project') return `rules:exists:project \`${path}\` not found or access denied`
  if (tree === 'no_ref') {
    return `rules:exists:ref \`${ref}\` is not a valid ref in project \`${path}\``
  }
  return tree
}

function matchPaths(
  entry: { paths: readonly string[]; regexp?: string },
  scope: VariableScope,
  paths: readonly string[],
  pattern: (source: string) => Pattern | undefined,
  verb: string,
): ClauseResult {
  if (entry.regexp !== undefined) {
    const source = scope.expand(entry.regexp, 'keep')
    const compiled = pattern(source.startsWith('/') ? source : `/${source.replaceAll('/', '\\/')}/`)
    const found = paths.find(path => compiled?.test(path))
    return {
      holds: found !== undefined,
      detail: found ? `${found} ${verb}` : `nothing matches ${source}`,
    }
  }
  const globs = [...new Set(entry.paths.map(glob => scope.expand(glob, 'keep')))]
  if (globs.length === 0) return { holds: false, detail: 'no path is given' }
  if (globs.length * paths.length > maxComparisons) {
    return { holds: true, detail: `more than ${maxComparisons} comparisons: counts as true` }
  }
  const matchers = globs.map(globMatcher)
  const found = paths.find(path => matchers.some(matches => matches(path)))
  return {
    holds: found !== undefined,
    detail: found !== undefined ? `${found} ${verb}` : `none of ${globs.join(', ')} ${verb}`,
  }
}
