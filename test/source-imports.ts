import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'

/** One import statement, `export … from` or `import()` of a source file. */
export interface Import {
  readonly from: string
  /** A file of this repository, or a package's name. */
  readonly to: string
  /** Nothing of it is left when the types are stripped. */
  readonly typeOnly: boolean
  readonly dynamic: boolean
  /** What is imported as a value; `*` is everything. */
  readonly values: readonly string[]
}

export interface Source {
  readonly path: string
  readonly imports: readonly Import[]
  readonly readsEnvironment: boolean
}

const root = join(import.meta.dirname, '..')

/** Reads every source file that is written by hand, by the compiler's own parser. */
export function readSources(): readonly Source[] {
  return globSync('{functions,shared,infra,test}/**/*.ts', { cwd: root }).toSorted().map(readSource)
}

function readSource(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const found: Import[] = []
  let readsEnvironment = false
  const add = (specifier: ts.Node, rest: Pick<Import, 'typeOnly' | 'values'>, dynamic = false) => {
    // A specifier that is computed cannot be checked: it goes by its text, which no rule allows.
    const name = ts.isStringLiteralLike(specifier) ? specifier.text : specifier.getText()
    found.push({ from: path, to: name.startsWith('.') ? normalize(join(dirname(path), name)) : name, dynamic, ...rest })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, importedBy(node.importClause))
    if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
      add(node.moduleSpecifier, { typeOnly: node.isTypeOnly, values: ['*'] })
    }
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, { typeOnly: true, values: [] })
    }
    if (ts.isCallExpression(node) && node.arguments[0]) {
      const called = node.expression
      const loads =
        called.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(called) && called.text === 'require')
      if (loads) add(node.arguments[0], { typeOnly: false, values: ['*'] }, true)
    }
    readsEnvironment ||= isEnvironment(node)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return { path, imports: found, readsEnvironment }
}

function importedBy(clause: ts.ImportClause | undefined): Pick<Import, 'typeOnly' | 'values'> {
  if (clause?.isTypeOnly) return { typeOnly: true, values: [] }
  const bindings = clause?.namedBindings
  const named = bindings && ts.isNamedImports(bindings) ? bindings.elements : []
  const values = named
    .filter(({ isTypeOnly }) => !isTypeOnly)
    .map(({ propertyName, name }) => (propertyName ?? name).text)
  if (clause?.name) values.push('default')
  if (bindings && ts.isNamespaceImport(bindings)) values.push('*')
  return { typeOnly: false, values }
}

/** `process.env`, `process['env']`, or `env` of `node:process`. */
function isEnvironment(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) return node.expression.getText() === 'process' && node.name.text === 'env'
  if (ts.isElementAccessExpression(node)) return node.expression.getText() === 'process'
  return ts.isImportDeclaration(node) && /^['"](node:)?process['"]$/.test(node.moduleSpecifier.getText())
}
