/** Settings are missing or wrong. The message lists every problem, a line each, and no value. */
export class SettingsError extends Error {
  constructor(problems: readonly string[]) {
    super(`The settings are not complete:\n${problems.map(problem => `  ${problem}`).join('\n')}`)
    this.name = 'SettingsError'
  }
}
