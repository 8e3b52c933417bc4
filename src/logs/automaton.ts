/** Aho–Corasick over bytes: finds all words at once, in one pass. States are numbers; 0 is the start. */
export interface Automaton {
  /** The state after one more byte. */
  step(state: number, byte: number): number
  /** How many of the latest bytes may be the beginning of a word. */
  depth(state: number): number
  /** Length of the longest word that ends here; 0: none does. */
  matched(state: number): number
}

interface Node {
  readonly next: Map<number, number>
  fail: number
  readonly depth: number
  matched: number
}

export function automatonOf(words: readonly Uint8Array[]): Automaton {
  const nodes: Node[] = [{ next: new Map(), fail: 0, depth: 0, matched: 0 }]
  for (const word of words) insert(nodes, word)
  link(nodes)
  const { next: starts } = nodes[0]!

  function step(state: number, byte: number): number {
    let from = state
    while (from !== 0) {
      const to = nodes[from]!.next.get(byte)
      if (to !== undefined) return to
      from = nodes[from]!.fail
    }
    return starts.get(byte) ?? 0
  }

  return {
    step,
    depth: state => nodes[state]!.depth,
    matched: state => nodes[state]!.matched,
  }
}

function insert(nodes: Node[], word: Uint8Array): void {
  let state = 0
  for (const byte of word) {
    const node = nodes[state]!
    let to = node.next.get(byte)
    if (to === undefined) {
      to = nodes.push({ next: new Map(), fail: 0, depth: node.depth + 1, matched: 0 }) - 1
      node.next.set(byte, to)
    }
    state = to
  }
  nodes[state]!.matched = word.length
}

/** Breadth first: a node's failure link goes to the longest of its suffixes that is a node too. */
function link(nodes: Node[]): void {
  const queue = [0]
  for (const from of queue) {
    const parent = nodes[from]!
    for (const [byte, to] of parent.next) {
      const node = nodes[to]!
      let fail = parent.fail
      while (fail !== 0 && !nodes[fail]!.next.has(byte)) fail = nodes[fail]!.fail
      const target = nodes[fail]!.next.get(byte)
      node.fail = from === 0 || target === undefined ? 0 : target
      node.matched = Math.max(node.matched, nodes[node.fail]!.matched)
      queue.push(to)
    }
  }
}
