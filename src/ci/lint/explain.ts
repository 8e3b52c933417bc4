/** Why a job is in the pipeline or not, and where its variables come from. */
import type { Analysis } from '../analyse.ts'
import type { CompileContext } from '../context.ts'

export interface VariableOrigin {
  key: string
  value: string
  from: string
  /** What it won over, nearest first. */
  overrides: string[]
}

/** Low to high. */
type Layer = { from: string; values: ReadonlyMap<string, { value: string; masked?: boolean }> }

/** Every variable that the job's rules see, with its origin. Undefined: there is no such job. Masked values stay masked. */
export function explainVariables(
  name: string,
  { jobs, root, built }: Analysis,
  context: CompileContext,
): VariableOrigin[] | undefined {
  const job = jobs?.find(one => one.name === name)
  if (!job || !root) return undefined
  const { inheritVariables, variables } = job.entry
  const isInherited = (key: string) =>
    typeof inheritVariables === 'boolean' ? inheritVariables : inheritVariables.includes(key)
  const rule = built?.verdicts.get(job)?.rule
  const layers: Layer[] = [
    contextLayer('predefined', context),
    { from: 'variables', values: new Map([...root.variables].filter(([key]) => isInherited(key))) },
    { from: `${job.entry.name}:variables`, values: variables },
    {
      from: 'parallel:matrix',
      values: new Map([...(job.matrix ?? [])].map(([key, value]) => [key, { value }])),
    },
    { from: 'rules:variables', values: rule?.variables ?? new Map() },
    contextLayer('user', context),
    contextLayer('settings', context),
    contextLayer('pipeline', context),
  ]
  const keys = new Set(layers.flatMap(layer => [...layer.values.keys()]))
  return [...keys].sort().map(key => {
    const having = layers.filter(layer => layer.values.has(key)).reverse()
    const top = having[0]!.values.get(key)!
    return {
      key,
      value: top.masked ? '[masked]' : top.value,
      from: having[0]!.from,
      overrides: having.slice(1).map(layer => layer.from),
    }
  })
}

function contextLayer(
  origin: CompileContext['variables'][number]['origin'],
  context: CompileContext,
): Layer {
  const ofOrigin = context.variables.filter(one => one.origin === origin)
  return { from: origin, values: new Map(ofOrigin.map(one => [one.key, one])) }
}
