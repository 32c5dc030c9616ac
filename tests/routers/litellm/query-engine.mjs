// Stands in for Prisma's query-engine binary: its HTTP protocol with GraphQL bodies, as LiteLLM's Python client speaks it,
// on top of Prisma's WebAssembly query engine, which speaks JSON.
//
// usage: query-engine.mjs -p PORT …     (environment: PRISMA_DML_PATH, DATABASE_URL, as for the binary)

import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindAdapter } from '@prisma/driver-adapter-utils';
import { parse } from 'graphql';
import pg from 'pg';

const port = Number(process.argv[process.argv.indexOf('-p') + 1]);
const datamodel = fs.readFileSync(process.env.PRISMA_DML_PATH, 'utf8');

// Models and the types of their fields: JSON fields have to be marked as such.
const models = {};
for (const [, name, body] of datamodel.matchAll(/^model\s+(\w+)\s*\{([^]*?)^\}/gm)) {
  const fields = body.matchAll(/^\s*(\w+)\s+(\w+)(\[\]|\?)?/gm);
  models[name] = Object.fromEntries([...fields].map(([, field, type]) => [field, type]));
}

// --- The database -----------------------------------------------------------------------------------------------------

const NAME_ARRAY = 1003;
const TEXT_ARRAY = 1009;

// The adapter does not know name[], which LiteLLM selects from PostgreSQL's own tables.
class Pool extends pg.Pool {
  async query(...args) {
    const result = await super.query(...args);
    (result?.fields ?? []).forEach((field, column) => {
      if (field.dataTypeID !== NAME_ARRAY) return;
      field.dataTypeID = TEXT_ARRAY;
      for (const row of result.rows) {
        if (typeof row[column] === 'string') row[column] = pg.types.getTypeParser(TEXT_ARRAY)(row[column]);
      }
    });
    return result;
  }
}

function databaseUrl() {
  const overwritten = JSON.parse(process.env.OVERWRITE_DATASOURCES || '[]');
  const url = new URL(overwritten[0]?.url ?? process.env.DATABASE_URL);
  const connections = Number(url.searchParams.get('connection_limit') || 10);
  // What is left are Prisma's own parameters, which PostgreSQL would refuse.
  url.search = '';
  return { url: url.toString(), connections };
}

const { url, connections } = databaseUrl();
const pool = new Pool({ connectionString: url, max: connections });
pool.on('error', () => {});
const adapter = bindAdapter(await new PrismaPg(pool).connect());

// --- The engine -------------------------------------------------------------------------------------------------------

async function loadEngine() {
  const packageFile = createRequire(import.meta.url).resolve('@prisma/query-engine-wasm/package.json');
  const directory = packageFile.replace('package.json', 'postgresql/');
  const glue = await import(`${directory}query_engine_bg.js`);
  const bytes = fs.readFileSync(`${directory}query_engine_bg.wasm`);
  const { instance } = await WebAssembly.instantiate(bytes, { './query_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  const options = { datamodel, logLevel: 'error', logQueries: false, enableTracing: false, engineProtocol: 'json' };
  const engine = new glue.QueryEngine(options, () => {}, adapter);
  await engine.connect('{}', '1');
  return engine;
}

const engine = await loadEngine();
let requests = 1;
const nextId = () => String(++requests);

// --- From GraphQL to JSON ---------------------------------------------------------------------------------------------

const OPERATION =
  /^(findUnique|findFirst|findMany|createOne|createMany|updateOne|updateMany|deleteOne|deleteMany|upsertOne|aggregate|groupBy)(.+?)(OrThrow)?$/;

// Keys of a JSON filter whose values are not JSON themselves.
const FILTER_KEYS = new Set(['path', 'string_contains', 'string_starts_with', 'string_ends_with', 'mode']);

const mapValues = (object, change) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));

function literal(node) {
  switch (node.kind) {
    case 'NullValue':
      return null;
    case 'IntValue': {
      const number = Number(node.value);
      return Number.isSafeInteger(number) ? number : { $type: 'BigInt', value: node.value };
    }
    case 'FloatValue':
      return Number(node.value);
    case 'ListValue':
      return node.values.map(literal);
    case 'ObjectValue':
      return Object.fromEntries(node.fields.map((field) => [field.name.value, literal(field.value)]));
    default:
      return node.value;
  }
}

function asJson(value) {
  if (typeof value === 'string') return { $type: 'Json', value };
  if (Array.isArray(value)) return value.map(asJson);
  if (!value || typeof value !== 'object') return value;
  return mapValues(value, (inner, key) => (FILTER_KEYS.has(key) ? inner : asJson(inner)));
}

// The model that a field leads to, or the one it is in.
const modelBehind = (model, field) => {
  const type = models[model]?.[field];
  return type && models[type] ? type : model;
};

function typed(value, model) {
  if (Array.isArray(value)) return value.map((inner) => typed(inner, model));
  if (!value || typeof value !== 'object' || '$type' in value) return value;
  return mapValues(value, (inner, key) =>
    models[model]?.[key] === 'Json' ? asJson(inner) : typed(inner, modelBehind(model, key)),
  );
}

const argumentsOf = (field) =>
  Object.fromEntries((field.arguments ?? []).map((argument) => [argument.name.value, literal(argument.value)]));

function selection(set, model) {
  const fields = set?.selections ?? [];
  return Object.fromEntries(
    fields.map((field) => {
      const name = field.name.value;
      if (!field.selectionSet && !field.arguments?.length) return [name, true];
      const inner = modelBehind(model, name);
      return [name, { arguments: typed(argumentsOf(field), inner), selection: selection(field.selectionSet, inner) }];
    }),
  );
}

function requestsOf(graphql) {
  const fields = parse(graphql, { noLocation: true }).definitions[0].selectionSet.selections;
  return fields.map((field) => {
    const name = field.name.value;
    const alias = field.alias?.value ?? name;
    if (name === 'queryRaw' || name === 'executeRaw') {
      return { alias, raw: name, json: { action: name, query: { arguments: argumentsOf(field), selection: {} } } };
    }
    const match = OPERATION.exec(name);
    if (!match) throw new Error(`unsupported operation ${name}`);
    const [, action, model, orThrow = ''] = match;
    const query = { arguments: typed(argumentsOf(field), model), selection: selection(field.selectionSet, model) };
    return { alias, json: { modelName: model, action: action + orThrow, query } };
  });
}

// --- From JSON back ---------------------------------------------------------------------------------------------------

function untyped(value) {
  if (Array.isArray(value)) return value.map(untyped);
  if (!value || typeof value !== 'object') return value;
  return '$type' in value ? value.value : mapValues(value, untyped);
}

function rawCell(type, value) {
  if (value === null) return { prisma__type: 'null', prisma__value: null };
  if (type.endsWith('-array')) {
    return { prisma__type: 'array', prisma__value: value.map((inner) => rawCell(type.slice(0, -'-array'.length), inner)) };
  }
  const parsed = type === 'json' && typeof value === 'string' ? JSON.parse(value) : value;
  return { prisma__type: type, prisma__value: parsed };
}

function rawRows(result) {
  if (!result?.columns) return result;
  return result.rows.map((row) =>
    Object.fromEntries(row.map((value, at) => [result.columns[at], rawCell(result.types[at], value)])),
  );
}

// An error of the database is known to the adapter alone, by a number.
function explained(error) {
  const facing = error.user_facing_error;
  const number = facing?.error_code === 'P2036' ? facing.meta?.id : undefined;
  if (typeof number !== 'number') return error;
  const cause = adapter.errorRegistry.consumeError(number)?.error;
  const message = String(cause?.message ?? cause);
  return { ...error, error: message, user_facing_error: { ...facing, message } };
}

function answer(request, result) {
  if (result.errors?.length) return { errors: result.errors.map(explained) };
  const data = untyped(Object.values(result.data)[0]);
  return { data: { [request.alias]: request.raw === 'queryRaw' ? rawRows(data) : data } };
}

async function query(body, transaction) {
  const send = async (json) => JSON.parse(await engine.query(JSON.stringify(json), '{}', transaction, nextId()));
  if (body.batch) {
    const requested = body.batch.map((one) => requestsOf(one.query)[0]);
    const isolationLevel = body.isolation_level ?? undefined;
    const together = { batch: requested.map((one) => one.json), transaction: body.transaction ? { isolationLevel } : undefined };
    const result = await send(together);
    if (result.errors) return { errors: result.errors.map(explained) };
    return { batchResult: result.batchResult.map((one, at) => answer(requested[at], one)) };
  }
  const data = {};
  for (const request of requestsOf(body.query)) {
    const answered = answer(request, await send(request.json));
    if (answered.errors) return answered;
    Object.assign(data, answered.data);
  }
  return { data };
}

// --- The server -------------------------------------------------------------------------------------------------------

async function respond(path, headers, body) {
  if (path === '/status') return { status: 'ok' };
  if (path.startsWith('/metrics')) return { counters: [], gauges: [], histograms: [] };
  if (path === '/transaction/start') return JSON.parse(await engine.startTransaction(body, '{}', nextId()));
  const ended = /^\/transaction\/([^/]+)\/(commit|rollback)$/.exec(path);
  if (ended) {
    const [, id, how] = ended;
    const result = await engine[`${how}Transaction`](id, '{}', nextId());
    return result ? JSON.parse(result) : {};
  }
  return query(JSON.parse(body), headers['x-transaction-id']);
}

async function bodyOf(request) {
  let body = '';
  request.setEncoding('utf8');
  for await (const chunk of request) body += chunk;
  return body;
}

const server = http.createServer(async (request, response) => {
  let status = 200;
  let answered;
  try {
    answered = await respond(request.url, request.headers, await bodyOf(request));
    if (answered.error_code) status = 400;
  } catch (error) {
    const message = String(error?.message ?? error);
    const user_facing_error = { is_panic: false, message, meta: {}, error_code: 'P2009' };
    answered = { errors: [{ error: message, user_facing_error }] };
  }
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(answered));
});
server.keepAliveTimeout = 120_000;
server.listen(port, '127.0.0.1');

const stop = () => process.exit(0);
process.on('SIGINT', stop);
process.on('SIGTERM', stop);
// It ends with whoever started it, also when that was killed.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && stop(), 1000).unref();
