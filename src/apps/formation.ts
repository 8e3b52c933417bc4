import { Failure } from '../lib/index.ts'
import type { Formation, ReleaseImage } from './index.ts'
import { checkType } from './names.ts'
import { canonicalSize, defaultSize } from './sizes.ts'

export interface FormationUpdate {
  type: string
  quantity?: string | number
  size?: string
  /** Resolved; null removes the type. */
  image?: ReleaseImage | null
}

export interface FormationChange {
  /** New and changed rows. */
  rows: Formation[]
  removedTypes: string[]
  /** Types whose processes need another size. */
  resized: string[]
  isScaled: boolean
}

const maxQuantity = 100

/** What the updates make of the formation. Throws `Failure`s in Heroku's words. */
export function changeFormation(
  before: readonly Formation[],
  updates: readonly FormationUpdate[],
  now: number,
  newId: () => string,
): FormationChange {
  const rows = new Map(before.map(row => [row.type, row]))
  const changed = new Map<string, Formation>()
  const removedTypes: string[] = []
  const resized: string[] = []
  for (const update of updates) {
    checkType(update.type)
    const old = rows.get(update.type)
    if (!old && !update.image)
      throw new Failure('not_found', `Couldn't find that process type (${update.type}).`)
    if (update.image === null) {
      rows.delete(update.type)
      changed.delete(update.type)
      removedTypes.push(update.type)
      continue
    }
    const row = old ?? newRow(update.type, now, newId())
    const next = {
      ...row,
      quantity: quantityOf(update.quantity, row.quantity),
      size: update.size === undefined ? row.size : canonicalSize(update.size),
    }
    if (old && next.quantity === old.quantity && next.size === old.size) continue
    if (old && next.size !== old.size) resized.push(update.type)
    const stamped = { ...next, updatedAt: now }
    rows.set(update.type, stamped)
    changed.set(update.type, stamped)
  }
  return {
    rows: [...changed.values()],
    removedTypes,
    resized,
    isScaled: [...changed.values()].some(row => before.some(one => one.type === row.type)),
  }
}

/** `web` starts with one process, others with none. */
function newRow(type: string, now: number, id: string): Formation {
  return {
    id,
    type,
    quantity: type === 'web' ? 1 : 0,
    size: defaultSize,
    createdAt: now,
    updatedAt: now,
  }
}

/** `"2"`, `"+1"`, `"-1"`, `2`: absolute, or relative when signed. */
export function quantityOf(text: string | number | undefined, before: number): number {
  if (text === undefined) return before
  const match = /^([+-]?)(\d{1,6})$/.exec(String(text).trim())
  const amount = Number(match?.[2])
  const sign = typeof text === 'number' ? '' : match?.[1]
  const quantity = sign === '+' ? before + amount : sign === '-' ? before - amount : amount
  if (!match || (typeof text === 'number' && text < 0) || quantity < 0 || quantity > maxQuantity)
    throw new Failure(
      'invalid',
      `${JSON.stringify(text)} is not a quantity: use 0 to ${maxQuantity}, or a change such as +1.`,
      { details: { quantity: ['is invalid'] } },
    )
  return quantity
}

/** `web@2:Basic worker@0:Basic` */
export function describeFormation(rows: readonly Formation[]): string {
  return rows.map(row => `${row.type}@${row.quantity}:${row.size}`).join(' ')
}

/** Names and types of the processes that should run: `web.1`, `web.2`, `worker.1`. */
export function desiredDynos(
  rows: readonly Formation[],
  images: Readonly<Record<string, ReleaseImage>>,
): { name: string; type: string; size: string }[] {
  return rows
    .filter(row => Object.hasOwn(images, row.type))
    .flatMap(({ type, size, quantity }) =>
      Array.from({ length: quantity }, (_, at) => ({ name: `${type}.${at + 1}`, type, size })),
    )
}
