import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readFolder } from '../../infra/cli/folder.ts'
import { causeway, folderWith } from './causeway.ts'

let files: Awaited<ReturnType<typeof folderWith>>
beforeEach(async () => {
  files = await folderWith({ 'elsewhere/a.yaml': { id: 'a', target: 't' } })
  await mkdir(join(files.folder, 'access'))
})
afterEach(() => files.remove())

const within = (...names: readonly string[]) => join(files.folder, ...names)

async function pathsRead(): Promise<readonly string[]> {
  const { documents } = await readFolder(within('access'))
  return documents.map(({ path, file }) => `${path} in ${file}`)
}

describe('links are followed', () => {
  test('to files, as Kubernetes mounts a ConfigMap, each of which counts once', async () => {
    await mkdir(within('access', 'rules', '..2026_11_22'), { recursive: true })
    await writeFile(within('access', 'rules', '..2026_11_22', 'a.yaml'), '{ id: a, target: t }')
    await symlink('..2026_11_22', within('access', 'rules', '..data'))
    await symlink('..data/a.yaml', within('access', 'rules', 'a.yaml'))
    expect(await pathsRead()).toEqual(['rules/t/a in rules/a.yaml'])
  })

  test('to folders, at the top and below', async () => {
    await mkdir(within('access', 'guardrails'))
    await symlink(within('elsewhere'), within('access', 'rules'))
    await symlink(within('elsewhere'), within('access', 'guardrails', 'more'))
    expect(await pathsRead()).toEqual(['guardrails/a in guardrails/more/a.yaml', 'rules/t/a in rules/a.yaml'])
  })

  test('to a folder of no kind: it is refused as any', async () => {
    await symlink(within('elsewhere'), within('access', 'rule'))
    await expect(pathsRead()).rejects.toThrow(/^rule: expected documents in issuers\//)
  })

  test('never in a circle, and never to nothing', async () => {
    await mkdir(within('access', 'rules'))
    await symlink('nowhere', within('access', 'rules', 'b.yaml'))
    await expect(pathsRead()).rejects.toThrow(/rules\/b\.yaml: cannot be read/)
    await symlink('.', within('access', 'rules', 'again'))
    await expect(pathsRead()).rejects.toThrow(/rules\/again: a link that leads back/)
  })
})

test.each(['help', '-h', '--help', 'plan -h', 'help plan', 'apply . --help'])(
  'causeway %s shows the options',
  async line => {
    const { code, out, err } = await causeway(line.split(' '))
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain('causeway plan DIR')
  },
)
