// The protocol's own types (@vscode/debugprotocol) as JSON schemas, to hold every message against.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Ajv from 'ajv';
import ts from 'typescript';

const folder = dirname(createRequire(import.meta.url).resolve('@vscode/debugprotocol/package.json'));
const types = join(folder, 'lib', 'debugProtocol.d.ts');

const words = {
  [ts.SyntaxKind.StringKeyword]: { type: 'string' },
  [ts.SyntaxKind.NumberKeyword]: { type: 'number' },
  [ts.SyntaxKind.BooleanKeyword]: { type: 'boolean' },
  [ts.SyntaxKind.AnyKeyword]: {},
  [ts.SyntaxKind.ObjectKeyword]: { type: 'object' },
};

function literal(node) {
  if (node.kind === ts.SyntaxKind.NullKeyword) return { type: 'null' };
  if (ts.isStringLiteral(node)) return { const: node.text };
  throw new Error(`a literal this does not know: ${ts.SyntaxKind[node.kind]}`);
}

function schemaOf(node) {
  if (words[node.kind]) return words[node.kind];
  if (ts.isArrayTypeNode(node)) return { type: 'array', items: schemaOf(node.elementType) };
  if (ts.isParenthesizedTypeNode(node)) return schemaOf(node.type);
  if (ts.isUnionTypeNode(node)) return { anyOf: node.types.map(schemaOf) };
  if (ts.isIntersectionTypeNode(node)) return { allOf: node.types.map(schemaOf) };
  if (ts.isLiteralTypeNode(node)) return literal(node.literal);
  if (ts.isTypeLiteralNode(node)) return object(node.members);
  if (ts.isTypeReferenceNode(node)) return reference(node);
  throw new Error(`a type this does not know: ${node.getText()}`);
}

function reference(node) {
  const name = node.typeName.getText();
  if (name === 'Record') return { type: 'object' };
  return { $ref: `#/definitions/${name}` };
}

function object(members) {
  const schema = { type: 'object', properties: {}, required: [] };
  for (const one of members) {
    if (ts.isIndexSignatureDeclaration(one)) {
      schema.additionalProperties = schemaOf(one.type);
      continue;
    }
    const name = one.name.text;
    schema.properties[name] = schemaOf(one.type);
    if (!one.questionToken) schema.required.push(name);
  }
  return schema;
}

function definitions() {
  const file = ts.createSourceFile(types, readFileSync(types, 'utf8'), ts.ScriptTarget.Latest, true);
  const all = {};
  const visit = (node) => {
    if (ts.isInterfaceDeclaration(node)) {
      const bases = (node.heritageClauses ?? []).flatMap((clause) => clause.types)
        .map((base) => ({ $ref: `#/definitions/${base.expression.getText()}` }));
      all[node.name.text] = { allOf: [...bases, object(node.members)] };
    } else if (ts.isTypeAliasDeclaration(node)) {
      all[node.name.text] = schemaOf(node.type);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return all;
}

const all = definitions();
const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema({ $id: 'dap', definitions: all });

const capital = (word) => word[0].toUpperCase() + word.slice(1);

/** The schema's name for a message; undefined for one that the protocol does not have. */
function nameOf(message) {
  if (message.type === 'event') return `${capital(message.event)}Event`;
  if (message.type !== 'response') return undefined;
  return message.success ? `${capital(message.command)}Response` : 'ErrorResponse';
}

/** What is wrong with a message of the adapter's; empty when nothing is. Custom ones (kvmdbg/…) are held
 *  against the envelope alone. */
export function complaints(message) {
  let name = nameOf(message);
  if (name && !all[name]) {
    const word = message.event ?? message.command;
    if (!word.startsWith('kvmdbg/')) return `no ${name} in the protocol`;
    name = message.type === 'event' ? 'Event' : 'Response';
  }
  if (!name) return `neither a response nor an event: ${message.type}`;
  const valid = ajv.getSchema(`dap#/definitions/${name}`);
  return valid(message) ? '' : `${name}: ${ajv.errorsText(valid.errors)}`;
}
