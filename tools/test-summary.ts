/** Adds up vitest's JSON reports in a folder and prints one line; exit code 1 when a test failed or none ran. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
}

const directory = process.argv[2] ?? '.'
const total = { passed: 0, failed: 0, skipped: 0 }
for (const file of readdirSync(directory).filter(name => name.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(path.join(directory, file), 'utf8')) as Report
  total.passed += report.numPassedTests
  total.failed += report.numFailedTests
  total.skipped += report.numPendingTests
}
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
if (total.failed > 0 || total.passed === 0) process.exit(1)
