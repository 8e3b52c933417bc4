import { placeOf } from '../config/node.ts'
import type { RuleEntry } from '../entries/rules.ts'
import type { WhyStep } from '../plan.ts'
import type { VariableScope } from './variables.ts'
import type { World } from './world.ts'

export interface RulesResult {
  /** Undefined: none matched. */
  rule?: RuleEntry
  why: WhyStep[]
  /** A clause that can't be decided. */
  problem?: string
}

/** Tries rules in order until one matches. `at` names them in explanations: `rules`, `workflow:rules`. */
export async function firstMatch(
  rules: readonly RuleEntry[],
  scope: VariableScope,
  world: World,
  at: string,
): Promise<RulesResult> {
  const why: WhyStep[] = []
  for (const [index, rule] of rules.entries()) {
    const { holds, details, problem } = await clausesHold(rule, scope, world)
    why.push({
      at: `${at}[${index}]`,
      text: ruleText(rule),
      matched: holds,
      ...(details.length > 0 && { detail: details.join('; ') }),
      line: placeOf(rule.mark).line,
    })
    if (problem !== undefined) return { why, problem }
    if (holds) return { rule, why }
  }
  return { why }
}

async function clausesHold(
  rule: RuleEntry,
  scope: VariableScope,
  world: World,
): Promise<{ holds: boolean; details: string[]; problem?: string }> {
  const details: string[] = []
  const clauses = [
    rule.if && (() => world.condition(rule.if!, scope)),
    rule.changes && (() => world.changes(rule.changes!, scope)),
    rule.exists && (() => world.exists(rule.exists!, scope)),
  ]
  for (const clause of clauses) {
    if (!clause) continue
    const result = await clause()
    if (result.detail) details.push(result.detail)
    if (!result.holds) return { holds: false, details, problem: result.problem }
  }
  return { holds: true, details }
}

function ruleText(rule: RuleEntry): string {
  const parts: string[] = []
  if (rule.if) parts.push(`if: ${rule.if.text}`)
  if (rule.changes) parts.push(`changes: ${rule.changes.regexp ?? rule.changes.paths.join(', ')}`)
  if (rule.exists) parts.push(`exists: ${rule.exists.regexp ?? rule.exists.paths.join(', ')}`)
  if (rule.when) parts.push(`when: ${rule.when}`)
  return parts.join(', ') || 'always'
}
